"""The Python and the Node.js of a document's blocks: how they are started, and how TypeScript gets there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.docblocks import Block
from tests.support.docsession import Printed, Script
from tests.support.node import SDK, install

#: Runs each block in one scope. Lines keep their numbers in the document, so that a traceback shows its text.
_PYTHON = """
import json, os, socket, sys
control = socket.socket(fileno=int(sys.argv[1]))
scope = {"__name__": "__main__"}
for line in control.makefile():
    order = json.loads(line)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    exec(compile("\\n" * (order["line"] - 1) + order["text"], order["file"], "exec", dont_inherit=True), scope)
    sys.stdout.flush()
    sys.stderr.flush()
    control.sendall(b"\\n")
"""
#: Holds a module up between its blocks, since other blocks of the document come between them.
_NODE = """
import net from 'node:net'
const control = new net.Socket({ fd: Number(process.env.DOCUMENT_CONTROL), readable: true, writable: true })
const orders = []
let heard = ''
let proceed = () => {}
control.on('data', (data) => {
  const lines = (heard + data).split('\\n')
  heard = lines.pop()
  orders.push(...lines)
  proceed()
})
let first = true
globalThis.documentBlock = async (last) => {
  if (!first) control.write('\\n')
  first = false
  if (last) return control.unref()
  control.ref()
  while (!orders.length) await new Promise((resolve) => { proceed = resolve })
  const order = JSON.parse(orders.shift())
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, order.env)
  process.chdir(order.cwd)
  control.unref()
}
"""
_TSCONFIG = {
    "compilerOptions": {
        "target": "es2022",
        "lib": ["es2023"],
        "module": "nodenext",
        "moduleDetection": "force",
        "types": ["node"],
        "strict": True,
        "noUncheckedIndexedAccess": True,
        "skipLibCheck": True,
        "sourceMap": True,
        "noEmitOnError": True,
        "rootDir": ".",
        "outDir": "out",
    },
    "files": ["module.ts", "globals.d.ts"],
}


def python(folder: Path, environment: Mapping[str, str], cwd: Path) -> Script:
    """Start the project's Python for all `python` blocks of a document."""
    session = Script(folder, "python")
    session.start([sys.executable, "-c", _PYTHON, "CONTROL"], environment, cwd)
    return session


def provide_sdk(folder: Path) -> None:
    """Put the TypeScript SDK, built from its sources, where Node.js finds it from everywhere below a folder.

    Raises:
        AssertionError: with what the compiler said, if it does not build.
    """
    install(SDK)
    package = folder / "node_modules" / "theazo"
    package.mkdir(parents=True)
    (package / "node_modules").symlink_to(SDK / "node_modules")
    (folder / "node_modules" / "@types").symlink_to(SDK / "node_modules" / "@types")
    shutil.copy(SDK / "package.json", package)
    _compile(SDK, "--outDir", str(package / "dist"))


def compile_module(folder: Path, blocks: list[Block]) -> Path:
    """Compile the blocks of one module, each at its line of the document; the folder to run it in.

    Raises:
        AssertionError: with what the compiler said; its line numbers are the document's.
    """
    if not (folder / "node_modules").exists():
        provide_sdk(folder)
    module = folder / f"module-{blocks[0].fence.line}"
    module.mkdir()
    lines: list[str] = []
    for block in blocks:
        # In the place of the line with the three backticks.
        lines += [""] * (block.fence.line - 2 - len(lines)) + ["await documentBlock()", *block.fence.text.splitlines()]
    text = "\n".join([*lines, "await documentBlock(true)", ""])
    (module / "module.ts").write_text(text, encoding="utf-8")
    (module / "globals.d.ts").write_text("declare function documentBlock(last?: boolean): Promise<void>\n")
    (module / "package.json").write_text('{"type": "module"}\n')
    (module / "tsconfig.json").write_text(json.dumps(_TSCONFIG))
    (module / "control.mjs").write_text(_NODE)
    _compile(module)
    return module


class Module(Script):
    """The `ts` blocks between two headings of level 2: one module."""

    def begin(self, blocks: list[Block], environment: Mapping[str, str], cwd: Path) -> None:
        """Compile and start it; it then waits for its first block."""
        module = compile_module(self.folder, blocks)
        command = ["node", "--enable-source-maps", "--import", str(module / "control.mjs")]
        # Node.js gives a module no arguments before it runs, so the socket's number comes in the environment.
        start = ["bash", "-c", 'DOCUMENT_CONTROL="$1" exec "${@:2}"', "bash", "CONTROL", *command]
        self.start([*start, str(module / "out" / "module.js")], environment, cwd)

    def finish(self) -> str:
        """Why it did not end by itself with code 0; nothing if it did."""
        code = self.close()
        if code is None:
            return "it did not end by itself"
        return f"it ended with code {code}" if code else ""


def run(session: Script, block: Block, environment: Mapping[str, str], cwd: Path) -> Printed:
    """Run a block in a session."""
    fence = block.fence
    return session.run(environment, cwd, text=fence.text, line=fence.line, file=str(block.document))


def _compile(project: Path, *options: str) -> None:
    compiler = SDK / "node_modules" / ".bin" / "tsc"
    done = subprocess.run(
        [str(compiler), "-p", str(project), *options], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, f"it does not compile:\n{done.stdout}{done.stderr}"
