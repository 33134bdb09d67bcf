package command_test

import (
	"strings"
	"testing"

	"sealcar/command"
)

func TestCommandsHaveTheirStatusAndOutput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		env    []string
		args   []string
		status int
		stderr string
		stdout string
	}{
		{"unknown command", nil, []string{"bogus"}, 2, `unknown command "bogus"`, ""},
		{"unknown flag", nil, []string{"run", "--bogus"}, 2, "--bogus", ""},
		{"T65 a flag that moves the cursor", nil, []string{"run", "--\x1b[2J\u202ex"}, 2, `unknown flag: --\x1b[2J\u202ex`, ""},
		{"enclave without state", nil, []string{"enclave"}, 2, `"state" not set`, ""},
		{"a mistake is one line", []string{"SEALCAR_CONFIG_YAML=listn: 1\negress: {default: maybe}\n"}, []string{"check"}, 1, "listn: no such key; did you mean listen?\n", ""},
		{"check reads the files", []string{"SEALCAR_CONFIG_YAML=routes: [{name: a, hosts: [a.example], upstream_ca_file: /nowhere/ca.pem, certificate: {roots: /nowhere/roots.pem}}]"}, []string{"check"}, 1, "route \"a\": reading upstream_ca_file", ""},
		{"check reads every file", []string{"SEALCAR_CONFIG_YAML=routes: [{name: a, hosts: [a.example], upstream_ca_file: /nowhere/ca.pem, certificate: {roots: /nowhere/roots.pem}}]"}, []string{"check"}, 1, "route \"a\": reading certificate.roots", ""},
		{"check of the text alone", []string{"SEALCAR_CONFIG_YAML=routes: [{name: a, hosts: [a.example], upstream_ca_file: /nowhere/ca.pem}]"}, []string{"check", "--text-only"}, 0, "", "/nowhere/ca.pem"},
		{"run with a mistake", []string{"SEALCAR_CONFIG_YAML=listn: 1\n"}, []string{"run"}, 1, "the configuration is not valid", ""},
		{"health without a sidecar", []string{"SEALCAR_ADMIN_LISTEN=127.0.0.1:1"}, []string{"health"}, 1, "does not answer", ""},
		{"version", nil, []string{"version"}, 0, "", "FIPS 140-3 mode: off"},
		{"check of an exception that never counts", []string{"SEALCAR_CONFIG_YAML=routes: [{name: a, hosts: [a.example], residue_exceptions: [{path: metadata.user_id, residue: report}]}]"}, []string{"check", "--text-only"}, 1, "route \"a\": residue exception for \"metadata.user_id\": \"metadata\" is judged as a whole; give the exception for that, or none\n", ""},
		{"check of an exception that hardly counts", []string{"SEALCAR_CONFIG_YAML=routes: [{name: a, hosts: [a.example], residue_exceptions: [{path: tool, residue: report}]}]"}, []string{"check", "--text-only"}, 0, "warning: route \"a\": residue exception for \"tool\": the table has no such name", "tool"},
		{"check prints what is in effect", []string{"SEALCAR_EGRESS_DEFAULT=deny"}, []string{"check"}, 0, "", "egress:\n  default: deny\n"},
		{"env for a shell", []string{"SEALCAR_LISTEN=127.0.0.1:8081"}, []string{"env"}, 0, "start 'sealcar run' before", "export HTTP_PROXY='http://127.0.0.1:8081'\n"},
		{"env for Node has the base URL", nil, []string{"env", "--for", "node"}, 0, "", "export OPENAI_BASE_URL='http://127.0.0.1:8080/v1'\n"},
		{"env for Anthropic's SDKs", nil, []string{"env", "--base-url"}, 0, "", "export ANTHROPIC_BASE_URL='http://127.0.0.1:8080'\n"},
		{"env for zsh", nil, []string{"env", "--shell", "zsh"}, 0, "", "export HTTP_PROXY='http://127.0.0.1:8080'\n"},
		{"env in place of a proxy", []string{"HTTPS_PROXY=http://user:secret@proxy.example:3128"}, []string{"env"}, 0, "HTTPS_PROXY was proxy.example:3128; sealcar takes its place", "export HTTPS_PROXY='http://127.0.0.1:8080'\n"},
		{"exec in place of a proxy", []string{"https_proxy=http://proxy.example:3128"}, []string{"exec", "--", "true"}, 0, "https_proxy was proxy.example:3128", ""},
		{"env without an exception from the proxy", []string{"NO_PROXY=intranet.corp;other.corp"}, []string{"env"}, 0, `NO_PROXY's "intranet.corp;other.corp" is left out: clients read it differently`, "export NO_PROXY='localhost,127.0.0.1,::1,.svc,.cluster.local'\n"},
		{"exec without an exception from the proxy", []string{"no_proxy=*"}, []string{"exec", "--", "true"}, 0, `NO_PROXY's "*" is left out`, ""},
		{"env for Java", nil, []string{"env", "--for", "java", "--shell", "fish"}, 0, "", "set -gx JAVA_TOOL_OPTIONS '-Dhttp.proxyHost=127.0.0.1"},
		{"env for PowerShell", nil, []string{"env", "--for", "go", "--base-url", "--shell", "powershell"}, 0, "", "$env:OPENAI_BASE_URL = 'http://127.0.0.1:8080/v1'\n"},
		{"env of a wide listener", []string{"SEALCAR_LISTEN=0.0.0.0:8080", "SEALCAR_UNSAFE_LISTEN=true"}, []string{"env"}, 0, "", "export HTTP_PROXY='http://localhost:8080'\n"},
		{"env of a port that nobody knows", []string{"SEALCAR_LISTEN=127.0.0.1:0"}, []string{"env"}, 1, "sealcar exec", ""},
		{"env for an unknown runtime", nil, []string{"env", "--for", "perl"}, 1, "python, node, java, go", ""},
		{"env for an unknown shell", nil, []string{"env", "--shell", "tcsh"}, 1, "bash, zsh, sh, dash, ksh, fish, powershell", ""},
		{"webhook without settings", nil, []string{"webhook", "--tls-cert", "a", "--tls-key", "b"}, 2, `"settings" not set`, ""},
		{"webhook without a certificate", nil, []string{"webhook", "--settings", "a"}, 2, "at least one of the flags in the group [tls-cert secret] is required", ""},
		{"webhook with half a certificate", nil, []string{"webhook", "--settings", "a", "--tls-cert", "b"}, 2, "they must all be set", ""},
		{"webhook with two certificates", nil, []string{"webhook", "--settings", "a", "--tls-cert", "b", "--tls-key", "c", "--secret", "d"}, 2, "none of the others can be", ""},
		{"webhook whose settings are not there", nil, []string{"webhook", "--settings", "/nowhere/injection.json", "--secret", "a"}, 1, "/nowhere/injection.json", ""},
		{"webhook outside of a cluster", nil, []string{"webhook", "--settings", "../webhook/testdata/injection.json", "--secret", "a"}, 1, "this is no pod", ""},
		{"T63 a setting that shows keys", []string{"GODEBUG=fips140=on,http2debug=2"}, []string{"check"}, 1, "GODEBUG has http2debug", ""},
		{"T63 the same, less of it", []string{"GODEBUG=http2debug=1"}, []string{"version"}, 1, "GODEBUG has http2debug", ""},
		{"a setting that shows nothing", []string{"GODEBUG=http2debug=0,gctrace=0"}, []string{"version"}, 0, "", "FIPS"},
		{"help", nil, []string{"--help"}, 0, "", "sealcar demo"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			status := command.Main(t.Context(), command.Process{
				Name: "sealcar", Args: test.args, Environ: append(test.env, "HOME="+t.TempDir()), Stdout: &stdout, Stderr: &stderr,
			})
			if status != test.status || !strings.Contains(stderr.String(), test.stderr) || !strings.Contains(stdout.String(), test.stdout) {
				t.Errorf("status %d\n%s%s\nwant %d, %q and %q", status, &stdout, &stderr, test.status, test.stderr, test.stdout)
			}
		})
	}
}
