package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"sealcar/config"
)

// reload loads what YAML printed.
func reload(t *testing.T, c *config.Config) *config.Config {
	t.Helper()
	text, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := config.Load(config.Source{Environ: []string{"SEALCAR_CONFIG_YAML=" + string(text)}, Dir: "/"})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return again
}

func TestYAMLLoadsAgain(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"",
		"timeouts: {drain: 1h0m1s, idle: 1500ms, dial: 10m, stream_idle: 100h}\nlimits: {event_bytes: 1000, header_bytes: 1MB}\n",
		"allowed_hosts: [a.example.com, '[::1]:80', '1.2.3.4']\nadmin: {listen: ''}\nstate_dir: 'true: # {x}'\n",
		"routes:\n  - name: '1'\n    hosts: ['null', 'true', '0x1.a']\n    base_paths: []\n    certificate: {source: file, file: '~'}\n",
		"limits: {json_values: 7}\nroutes:\n  - name: a\n    hosts: [a.example.com]\n    strict: true\n    residue_exceptions: [{path: 'a[*].b', residue: refuse}]\n    strip: [user]\n",
		"routes:\n  - name: a\n    hosts: [a.example.com]\n    certificate: {source: openapi, access_key_file: /ak, secret_key_file: /sk, " +
			`warm_up: [" a ", "a\u2028b", "\ufeffa", "- a", "'", "\"", "é", "\u200b", "!a", "&a", "*a", "%a", "@a", "a: b", "a #b", "|", "2024-01-01", "0o7", "1e3", "=", "<<", "\\"]}` + "\n",
	} {
		c := mustLoad(t, text)
		if again := reload(t, c); !reflect.DeepEqual(again, c) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", text, again, c)
		}
	}
}

func TestYAMLIsReadable(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "state_dir: /state\nroutes: [{name: a, hosts: [a.example.com]}]\n")
	got, err := c.YAML()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/effective.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestUnsafeSettingsAreListed(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
unsafe_listen: true
routes:
  - name: a
    hosts: [a.example.com]
  - name: b
    hosts: [b.example.com]
    upstream: http://b.example.com
    unsafe_upstream_http: true
    unsafe_plaintext_paths: [/api/v3/embeddings]
    residue: unsafe_allow
    residue_exceptions: [{path: user, residue: refuse}, {path: messages, residue: unsafe_allow}]
    replies: {unsafe_content_filter_text: true}
egress: {unsafe_forward_llm: true, unsafe_plain_tunnels: true}
`)
	want := []string{"unsafe_listen", "routes[1].residue", "routes[1].residue_exceptions[1].residue", "routes[1].replies.unsafe_content_filter_text", "routes[1].unsafe_plaintext_paths", "routes[1].unsafe_upstream_http", "egress.unsafe_forward_llm", "egress.unsafe_plain_tunnels"}
	if got := c.Unsafe(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestValidateChecksWhatAProgramMade(t *testing.T) {
	t.Parallel()
	c := config.Default()
	if err := c.Validate(); err == nil {
		t.Error("a Default without StateDir was accepted")
	}
	c.StateDir = "relative"
	if err := c.Validate(); err == nil {
		t.Error("a relative StateDir was accepted")
	}
	c.StateDir = t.TempDir()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// FuzzLoad: no text makes Load panic, and what it accepts it accepts again, and
// as the same, from what YAML prints.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/broken/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "../config.example.yaml", "testdata/effective.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := config.Load(config.Source{Environ: []string{"HOME=/home/user", "SEALCAR_CONFIG_YAML=" + string(text)}, Dir: "/"})
		if err != nil {
			return
		}
		if again := reload(t, c); !reflect.DeepEqual(again, c) {
			t.Errorf("got %+v, want %+v", again, c)
		}
	})
}
