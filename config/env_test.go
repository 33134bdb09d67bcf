package config_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sealcar/config"
)

func TestEveryScalarOutsideListsHasAVariable(t *testing.T) {
	t.Parallel()
	for _, k := range keys(reflect.TypeFor[config.Config](), "") {
		variable := k.variable()
		if variable == "" {
			continue
		}
		// A value of no type: whether it is known shows in the mistake.
		_, err := load(t, "", variable+"=\x01\x02")
		mistakes, _ := errors.AsType[config.Mistakes](err)
		if len(mistakes) == 0 || !strings.Contains(mistakes[0].Key, variable) || strings.Contains(mistakes[0].Allowed, "no such") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}

func TestVariablesOfEachType(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "",
		"SEALCAR_ADMIN_LISTEN=", "SEALCAR_UNSAFE_LISTEN=true", "SEALCAR_INTERCEPTION_NAME_CONSTRAINTS=false",
		"SEALCAR_LIMITS_REQUEST_BYTES=1MiB", "SEALCAR_LIMITS_REPLY_BYTES=4096", "SEALCAR_LIMITS_JSON_VALUES=500", "SEALCAR_TIMEOUTS_READ_HEADER=1m",
		"SEALCAR_INTERCEPTION_CA_DIR=ca")
	if c.Admin.Listen != "" || !c.UnsafeListen || c.Interception.NameConstraints {
		t.Errorf("admin.listen %q, unsafe_listen %v, name_constraints %v", c.Admin.Listen, c.UnsafeListen, c.Interception.NameConstraints)
	}
	if c.Limits.RequestBytes != 1<<20 || c.Limits.ReplyBytes != 4096 || c.Limits.JSONValues != 500 || c.Timeouts.ReadHeader.String() != "1m0s" {
		t.Errorf("limits %+v, timeouts %+v", c.Limits, c.Timeouts)
	}
	if c.Interception.CADir != "/srv/dir/ca" {
		t.Errorf("a relative path became %s", c.Interception.CADir)
	}
}

func TestWrongVariables(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"SEALCAR_UNSAFE_LISTEN=yes":        `SEALCAR_UNSAFE_LISTEN: "yes" is not allowed: true or false`,
		"SEALCAR_UNSAFE_LISTEN=":           `SEALCAR_UNSAFE_LISTEN: "" is not allowed: true or false`,
		"SEALCAR_UNSAFE_LISTEN=TRUE":       `SEALCAR_UNSAFE_LISTEN: "TRUE" is not allowed: true or false`,
		"SEALCAR_TIMEOUTS_DRAIN=30":        `SEALCAR_TIMEOUTS_DRAIN: "30" is not allowed: a duration is a number and a unit: ms, s, m, h, as in 30s or 1h30m`,
		"SEALCAR_TIMEOUTS_DRAIN=0s":        `timeouts.drain (SEALCAR_TIMEOUTS_DRAIN): "0s" is not allowed: more than 0s`,
		"SEALCAR_LIMITS_EVENT_BYTES=1.5":   `SEALCAR_LIMITS_EVENT_BYTES: "1.5" is not allowed: a size is a whole number and a unit: B, KiB, MiB, GiB, kB, MB, GB`,
		"SEALCAR_LIMITS_JSON_VALUES=1e6":   `SEALCAR_LIMITS_JSON_VALUES: "1e6" is not allowed: a whole number, without a unit`,
		"SEALCAR_LISTEN=0.0.0.0:8080":      `listen (SEALCAR_LISTEN): "0.0.0.0:8080" is not allowed: a loopback address (127.0.0.1, ::1, localhost), or set listen_tls with client_auth or client_ca_file, or unsafe_listen: true`,
		"SEALCAR_LISTEN=\xff":              `SEALCAR_LISTEN: "\xff" is not allowed: UTF-8 text`,
		"SEALCAR_LISTN=127.0.0.1:1":        `SEALCAR_LISTN: no such variable; did you mean SEALCAR_LISTEN?`,
		"SEALCAR_CONFIG_YML=x":             `SEALCAR_CONFIG_YML: no such variable; did you mean SEALCAR_CONFIG_YAML?`,
		"SEALCAR_ROUTES=x":                 `SEALCAR_ROUTES: no such variable; lists and routes are set in the file or in SEALCAR_CONFIG_YAML`,
		"SEALCAR_ALLOWED_HOSTS=a":          `SEALCAR_ALLOWED_HOSTS: no such variable; lists and routes are set in the file or in SEALCAR_CONFIG_YAML`,
		"SEALCAR_API_KEY=canary":           `SEALCAR_API_KEY: no such variable; lists and routes are set in the file or in SEALCAR_CONFIG_YAML`,
		"SEALCAR_listen=127.0.0.1:1":       `SEALCAR_listen: no such variable; did you mean SEALCAR_LISTEN?`,
		"SEALCAR_\n=1":                     `"SEALCAR_\n": no such variable; lists and routes are set in the file or in SEALCAR_CONFIG_YAML`,
		"SEALCAR_PORT_8080_TCP_COLOUR=red": `SEALCAR_PORT_8080_TCP_COLOUR: no such variable; lists and routes are set in the file or in SEALCAR_CONFIG_YAML`,
	} {
		if _, err := load(t, "", entry); err == nil || err.Error() != want {
			t.Errorf("%q: got\n%v, want\n%s", entry, err, want)
		}
	}
}

func TestRelativePathsInVariablesAreNotRelativeToTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sealcar.yaml")
	writeFile(t, path, "interception: {ca_dir: ca}")
	c, err := config.Load(config.Source{Path: path, Environ: []string{"SEALCAR_STATE_DIR=state"}, Dir: "/srv/dir"})
	if err != nil {
		t.Fatal(err)
	}
	if c.StateDir != "/srv/dir/state" || c.Interception.CADir != filepath.Join(dir, "ca") {
		t.Errorf("state_dir %s, ca_dir %s", c.StateDir, c.Interception.CADir)
	}
}

// Kubernetes puts these into every pod for a Service of that name; a start must
// not fail because of them.
func TestVariablesOfKubernetesAreIgnored(t *testing.T) {
	t.Parallel()
	want := mustLoad(t, "")
	got := mustLoad(
		t, "", "SEALCARD=x", "sealcar_listen=x",
		"SEALCAR_SERVICE_HOST=10.0.0.1", "SEALCAR_SERVICE_PORT=8080", "SEALCAR_SERVICE_PORT_HTTP_ADMIN=9090",
		"SEALCAR_PORT=tcp://10.0.0.1:8080", "SEALCAR_PORT_8080_TCP=tcp://10.0.0.1:8080", "SEALCAR_PORT_8080_TCP_PROTO=tcp",
		"SEALCAR_PORT_8080_TCP_PORT=8080", "SEALCAR_PORT_8080_TCP_ADDR=10.0.0.1", "SEALCAR_PORT_53_UDP_ADDR=10.0.0.1",
		"SEALCAR_ADMIN_SERVICE_HOST=10.0.0.2", "SEALCAR_ENCLAVE_2_PORT_443_TCP=tcp://10.0.0.3:443",
	)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
