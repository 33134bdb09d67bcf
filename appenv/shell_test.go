package appenv_test

import (
	"os/exec"
	"strings"
	"testing"

	"sealcar/appenv"
)

// awkward is a value with everything that a shell could take for its own.
const awkward = `it's "here" $HOME \ back\\slash ` + "`id` %s !x"

func TestScriptsAreReadAsTheyWereMeant(t *testing.T) {
	t.Parallel()
	for _, shell := range appenv.Shells() {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			script, err := appenv.Script(shell, []appenv.Var{{Name: "ONE", Value: awkward}, {Name: "TWO", Value: ""}})
			if err != nil {
				t.Fatal(err)
			}
			posix := "export ONE='" + strings.ReplaceAll(awkward, `'`, `'\''`) + "'\nexport TWO=''\n"
			want := map[string]string{
				"bash": posix, "zsh": posix, "sh": posix, "dash": posix, "ksh": posix,
				"fish":       "set -gx ONE '" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(awkward) + "'\nset -gx TWO ''\n",
				"powershell": "$env:ONE = '" + strings.ReplaceAll(awkward, `'`, `''`) + "'\n$env:TWO = ''\n",
			}[shell]
			if script != want {
				t.Errorf("got\n%swant\n%s", script, want)
			}
		})
	}
}

func TestScriptForBashIsWhatAShellReads(t *testing.T) {
	t.Parallel()
	script, err := appenv.Script("bash", []appenv.Var{{Name: "ONE", Value: awkward}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script+`printf %s "$ONE"`).Output() // #nosec G204 -- that is the test
	if err != nil || string(out) != awkward {
		t.Errorf("%v: got %q, want %q", err, out, awkward)
	}
}

func TestAudiencesGetWhatTheyReadAndNothingElse(t *testing.T) {
	t.Parallel()
	vars := appenv.Variables(appenv.Settings{
		ProxyURL: proxyURL, BaseURL: proxyURL + "/v1", AnthropicBaseURL: proxyURL, CAFile: "/ca/ca.crt", BundleFile: "/ca/ca-bundle.crt", TruststoreFile: "/ca/truststore.p12",
	}, getenv(nil))
	for audience, want := range map[string]struct{ has, hasNot string }{
		"":       {"JAVA_TOOL_OPTIONS", "X"},
		"python": {"SSL_CERT_FILE", "JAVA_TOOL_OPTIONS"},
		"node":   {"NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"},
		"java":   {"JAVA_TOOL_OPTIONS", "HTTP_PROXY"},
		"go":     {"SSL_CERT_FILE", "NODE_USE_ENV_PROXY"},
	} {
		t.Run(audience, func(t *testing.T) {
			t.Parallel()
			chosen, err := appenv.For(audience, vars)
			if err != nil {
				t.Fatal(err)
			}
			got := values(t, chosen)
			if _, ok := got[want.has]; !ok {
				t.Errorf("%s is not set", want.has)
			}
			if _, ok := got[want.hasNot]; ok {
				t.Errorf("%s is set", want.hasNot)
			}
			if got["OPENAI_BASE_URL"] != proxyURL+"/v1" {
				t.Errorf("OPENAI_BASE_URL is %q", got["OPENAI_BASE_URL"])
			}
			if got["ANTHROPIC_BASE_URL"] != proxyURL {
				t.Errorf("ANTHROPIC_BASE_URL is %q", got["ANTHROPIC_BASE_URL"])
			}
		})
	}
}
