// Written by `hack/uv run python -m hack.typescript_rules` from sdk/python/src/theazo/rules.py: change it there.
// A test compares the two.

export const RULES = {
  namePattern: "^[A-Za-z_][A-Za-z0-9_]*$",
  dnsLabelPattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
  sealingIdPattern: "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
  credentialPattern: "^((sk|rk|pk)_(live|test)_|whsec_|gh[opsur]_[A-Za-z0-9]{20}|github_pat_|th_live_|(AKIA|ASIA)[A-Z0-9]{16}$|hf_[A-Za-z0-9]{30})",
  maxName: 128,
  maxNames: 256,
  maxValue: 65536,
  maxPlatform: 63,
  maxSession: 52,
  maxAgent: 52,
  maxSealingId: 63,
  maxUser: 256,
  reserved: [
    {"why": "is set by Theazo or Kubernetes for every sandbox", "names": [], "prefixes": ["KUBERNETES_", "THEAZO_"]},
    {"why": "says where the sandbox's process lives and finds its programs", "names": ["HOME", "HOSTNAME", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER"], "prefixes": []},
    {"why": "changes how the loader and the C library load code, resolve hosts or use memory", "names": ["GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LIBPATH", "LOCALDOMAIN", "LOCPATH", "NIS_PATH", "NLSPATH", "PATH_LOCALE", "RESOLV_HOST_CONF", "RES_OPTIONS", "SHLIB_PATH", "TZDIR", "TERMCAP", "TERMINFO", "TERMINFO_DIRS", "TERMPATH"], "prefixes": ["DYLD_", "LDR_", "LD_", "MALLOC_", "_RLD"]},
    {"why": "changes which code the TLS or Kerberos library loads, what it checks, or makes it write keys to a file", "names": ["NODE_TLS_REJECT_UNAUTHORIZED", "OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_ENGINES", "OPENSSL_MODULES", "SSLKEYLOGFILE"], "prefixes": ["KRB5_"]},
    {"why": "makes a shell run code or changes how it reads scripts", "names": ["BASHOPTS", "CDPATH", "ENV", "FPATH", "GLOBIGNORE", "IFS", "INPUTRC", "NULLCMD", "POSIXLY_CORRECT", "PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS4", "READNULLCMD", "SHELLOPTS", "TMPPREFIX", "ZDOTDIR"], "prefixes": ["BASH_"]},
    {"why": "is overwritten by the shells, so the agent would not see the value", "names": ["EUID", "OLDPWD", "OPTIND", "PPID", "PWD", "SHLVL", "UID", "_"], "prefixes": []},
    {"why": "makes the Python interpreter load or run code, or changes how it starts", "names": ["PYTHONBREAKPOINT", "PYTHONCASEOK", "PYTHONDEBUG", "PYTHONDUMPREFSFILE", "PYTHONEXECUTABLE", "PYTHONHASHSEED", "PYTHONHOME", "PYTHONINSPECT", "PYTHONINTMAXSTRDIGITS", "PYTHONMALLOC", "PYTHONNOUSERSITE", "PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX", "PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONVERBOSE", "PYTHONWARNINGS", "PYTHON_HISTORY", "PYTHON_PRESITE"], "prefixes": []},
    {"why": "makes a JavaScript runtime load or run code", "names": ["BUN_OPTIONS", "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE"], "prefixes": []},
    {"why": "makes a language's runtime or compiler load or run code", "names": ["PERL5DB", "PERL5LIB", "PERL5OPT", "PERLIO_DEBUG", "PERLLIB", "BUNDLE_GEMFILE", "GEM_HOME", "GEM_PATH", "RUBYLIB", "RUBYOPT", "RUBYSHELL", "CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVAC_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "COR_ENABLE_PROFILING", "DOTNET_ADDITIONAL_DEPS", "DOTNET_SHARED_STORE", "DOTNET_STARTUP_HOOKS", "GODEBUG", "GOFLAGS", "PHPRC", "PHP_INI_SCAN_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "R_ENVIRON", "R_ENVIRON_USER", "R_HOME", "R_PROFILE", "R_PROFILE_USER"], "prefixes": ["CORECLR_", "COR_PROFILER", "LUA_CPATH", "LUA_INIT", "LUA_PATH", "R_LIBS"]},
    {"why": "is a command, or options, that common programs run", "names": ["BROWSER", "EDITOR", "EXINIT", "LESSCLOSE", "LESSOPEN", "MAKEFILES", "MAKEFLAGS", "MANPAGER", "PAGER", "RSYNC_RSH", "SSH_ASKPASS", "SUDO_ASKPASS", "TAR_OPTIONS", "VIMINIT", "VISUAL", "GIT_ASKPASS", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND", "GIT_SEQUENCE_EDITOR", "GIT_TEMPLATE_DIR"], "prefixes": ["GIT_CONFIG", "GIT_SSH"]},
  ],
} as const
