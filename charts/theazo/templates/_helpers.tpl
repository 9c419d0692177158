{{/* Names of ServiceAccounts, RoleBindings and the master key are fixed: the operator, the API and `theazo platforms` know them. */}}

{{- define "theazo.single" -}}
{{ if .Values.singlePlatform }}true{{ end }}
{{- end }}

{{/* Which RBAC kind: Role in single-platform mode, ClusterRole otherwise. */}}
{{- define "theazo.roleKind" -}}
{{ ternary "Role" "ClusterRole" (not (empty .Values.singlePlatform)) }}
{{- end }}

{{/* Name of what is cluster-scoped. There is one cluster-wide release a cluster, and one release a platform otherwise; that Helm
     refuses a second of the same name is meant. */}}
{{- define "theazo.clusterName" -}}
{{ .name }}{{ with .root.Values.singlePlatform }}-{{ . }}{{ end }}
{{- end }}

{{/* Labels of an object: root; optional labels, which win over those that all objects have. Each key once. */}}
{{- define "theazo.labels" -}}
{{- $ours := dict
      "app.kubernetes.io/part-of" "theazo"
      "app.kubernetes.io/instance" .root.Release.Name
      "app.kubernetes.io/version" .root.Chart.AppVersion
      "app.kubernetes.io/managed-by" .root.Release.Service
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") -}}
{{- merge $ours (.labels | default dict) .root.Values.commonLabels | toYaml }}
{{- end }}

{{/* metadata of an object: root, name; optional namespace ("" for none), labels, annotations. Names are quoted here and wherever
     else one stands: `123`, `on` and `1e3` are names too, and YAML would read them as no texts. */}}
{{- define "theazo.metadata" -}}
{{- $namespace := ternary .namespace .root.Release.Namespace (hasKey . "namespace") -}}
metadata:
  name: {{ .name | quote }}
  {{- with $namespace }}
  namespace: {{ . | quote }}
  {{- end }}
  labels:
    {{- include "theazo.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* roleRef and subjects: kind, role, account, root. */}}
{{- define "theazo.bind" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ .account }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end }}

{{/* An image's reference: root, image. */}}
{{- define "theazo.image" -}}
"{{ with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}"
{{- end }}

{{/* securityContext of a Pod of ours, of the values of its part. User and group are the image's, which are numbers and not root's:
     a cluster that chooses its own, as OpenShift does, would refuse any that stand here. */}}
{{- define "theazo.podSecurity" -}}
{{- merge (dict "runAsNonRoot" true "seccompProfile" (dict "type" "RuntimeDefault")) (.podSecurityContext | default dict) | toYaml }}
{{- end }}

{{- define "theazo.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Labels and annotations of a Pod: root, name, values. */}}
{{- define "theazo.podMetadata" -}}
metadata:
  labels:
    app.kubernetes.io/name: {{ .name }}
    {{- with merge (dict) .values.podLabels .root.Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Where a Pod runs, and what pulls its image: root, values. */}}
{{- define "theazo.scheduling" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not .values.hostUsers }}
hostUsers: false
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What operator and API are both told: root, values. */}}
{{- define "theazo.env" -}}
- name: THEAZO_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
# glibc gives each thread an arena of its own, which a process that is mostly one event loop pays for in memory.
- name: MALLOC_ARENA_MAX
  value: "2"
{{- if ne .values.logLevel "INFO" }}
- name: THEAZO_LOG_LEVEL
  value: {{ .values.logLevel }}
{{- end }}
{{- if .root.Values.allowPlatformComputes }}
- name: THEAZO_ALLOW_PLATFORM_COMPUTES
  value: "true"
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "theazo.probes" -}}
livenessProbe:
  httpGet:
    path: /livez
    port: http
  {{- toYaml .livenessProbe | nindent 2 }}
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  {{- toYaml .readinessProbe | nindent 2 }}
{{- end }}

{{/* Where the master keys are mounted; empty where the operator keeps them in a Secret of its own. */}}
{{- define "theazo.masterKeyDir" -}}
{{- if or .Values.masterKey.existingSecret .Values.masterKey.volume }}/etc/theazo/master-keys{{ end }}
{{- end }}

{{/* The platform that `helm test` works in. */}}
{{- define "theazo.testPlatform" -}}
{{ .Values.test.platform | default .Values.singlePlatform | default "theazo-helm-test" }}
{{- end }}

{{- define "theazo.makesTestPlatform" -}}
{{ if not (or .Values.test.platform .Values.singlePlatform) }}true{{ end }}
{{- end }}

{{/* Where the admission policies look: everywhere but in namespaces with an operator of their own; in single-platform mode at the
     platform and at home only. */}}
{{- define "theazo.policyScope" -}}
{{- if .Values.singlePlatform }}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: In
      values: {{ list .Release.Namespace .Values.singlePlatform | toJson }}
{{- else if .Values.admissionPolicies.exceptNamespaces }}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ .Values.admissionPolicies.exceptNamespaces | toJson }}
{{- end }}
{{- end }}

{{/* Namespaces that can't be platforms, as a list in CEL. */}}
{{- define "theazo.neverPlatforms" -}}
{{- $names := concat (list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace) .Values.admissionPolicies.exceptNamespaces -}}
{{- if .Values.singlePlatform }}{{ $names = list .Release.Namespace .Values.singlePlatform }}{{ end -}}
{{- range $index, $name := $names }}{{ if $index }}, {{ end }}'{{ $name }}'{{ end -}}
{{- end }}

{{- /* For what outlives the release, whoever applied it: all sessions and sealed values go with it. */ -}}
{{- define "theazo.kept" -}}
argocd.argoproj.io/sync-options: Prune=false,Delete=false
helm.sh/resource-policy: keep
kustomize.toolkit.fluxcd.io/prune: disabled
{{- end }}
