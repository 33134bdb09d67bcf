package webhook_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/webhook"
)

func TestSettingsThatAreRefused(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/injection.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, from, to, want string }{
		{"an unknown key", `"strict"`, `"strickt"`, "strickt"},
		{"nobody's", `"name": "default/sealcar-injector"`, `"name": ""`, "name: it is empty"},
		{"a form that is missing", `"sealcar/strict": {`, `"sealcar/other": {`, "no form of sealcar/strict"},
		{"another container", `"name": "sealcar",`, `"name": "proxy",`, `its name is "proxy"`},
		{"no sidecar", `"restartPolicy": "Always"`, `"restartPolicy": "Never"`, "it is no sidecar"},
		{"nothing for applications", `"appEnv"`, `"env"`, "nothing would lead applications to the sidecar"},
		{"something behind", "\n}\n", "\n}{}\n", "more after the document"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "injection.json")
			changed := strings.Replace(string(text), tt.from, tt.to, 1)
			if changed == string(text) {
				t.Fatal("nothing was changed")
			}
			if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := webhook.ReadSettings(file); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	if _, err := webhook.ReadSettings("/nowhere/injection.json"); err == nil {
		t.Error("no error without a file")
	}
}
