package appenv_test

import (
	"slices"
	"testing"

	"sealcar/appenv"
)

func TestExemptionsAreJoined(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"NO_PROXY": "db.internal, 10.0.0.0/8,localhost",
		"no_proxy": "db.internal [2001:db8::1]:443 .example.org",
	}
	got := values(t, appenv.Variables(appenv.Settings{ProxyURL: proxyURL}, getenv(environ)))
	const want = "localhost,127.0.0.1,::1,.svc,.cluster.local,db.internal,10.0.0.0/8,[2001:db8::1]:443,.example.org"
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		if got[name] != want {
			t.Errorf("%s = %q, want %q", name, got[name], want)
		}
	}
	const java = "localhost|127.0.0.1|[::1]|*.svc|*.cluster.local|db.internal|[2001:db8::1]|*.example.org"
	if option := "-Dhttp.nonProxyHosts=" + java; !slices.Contains(splitLikeJVM(got["JAVA_TOOL_OPTIONS"]), option) {
		t.Errorf("JAVA_TOOL_OPTIONS = %q, want %q in it", got["JAVA_TOOL_OPTIONS"], option)
	}
}

// An exemption that covers a routed host would send its requests around the
// sidecar, in clear.
func TestNoExemptionCoversARoutedHost(t *testing.T) {
	t.Parallel()
	const base = "localhost,127.0.0.1,::1,.svc,.cluster.local"
	for _, c := range []struct {
		host, entry string
		covers      bool
	}{
		{"ark.cn-beijing.volces.com", "*", true},
		{"ark.cn-beijing.volces.com", "*.*", true},
		{"ark.cn-beijing.volces.com", ".", true},
		{"ark.cn-beijing.volces.com", "ark.cn-beijing.volces.com", true},
		{"ark.cn-beijing.volces.com", "ARK.cn-beijing.VOLCES.com", true},
		{"ark.cn-beijing.volces.com", "ark.cn-beijing.volces.com:443", true},
		{"ark.cn-beijing.volces.com:8443", "ark.cn-beijing.volces.com", true},
		{"ark.cn-beijing.volces.com", "volces.com", true},
		{"ark.cn-beijing.volces.com", ".volces.com", true},
		{"ark.cn-beijing.volces.com", "*.volces.com", true},
		{"ark.cn-beijing.volces.com", "*volces.com", true},
		{"ark.cn-beijing.volces.com", ".volces.com.", true},
		{"ark.cn-beijing.volces.com", "*.volces.*", true},
		{"ark.cn-beijing.volces.com", "ark.*", true},
		{"ark.cn-beijing.volces.com", "ark*[a", true},
		{"ark.cn-beijing.volces.com", "com", true},
		{"ark.cn-beijing.volces.com", "https://ark.cn-beijing.volces.com", true},
		{"ark.cn-beijing.volces.com", "all://*.volces.com", true},
		{"ark.cn-beijing.volces.com", "ark.cn-beijing.volces.com/", true},
		{"ark.cn-beijing.volces.com", "u@ark.cn-beijing.volces.com", true},
		{"ark.cn-beijing.volces.com", "ark.cn-beijing.volces.com#", true},
		{"ark.cn-beijing.volces.com", "ark.cn-beijing\uff0evolces.com", true},
		{"ark.cn-beijing.volces.com", "x.ark.cn-beijing.volces.com", false},
		{"ark.cn-beijing.volces.com", "tos.*", false},
		{"ark.cn-beijing.volces.com", "10.0.0.0/8", false},
		{"10.1.2.3:8443", "10.0.0.0/8", true},
		{"10.1.2.3:8443", "10.1.2.3", true},
		{"10.1.2.3", "::ffff:10.1.2.3", true},
		{"10.1.2.3", "10.*", true},
		{"10.1.2.3", "::ffff:10.0.0.0/104", true},
		{"10.1.2.3", "::ffff:0.0.0.0/90", true},
		{"[::ffff:10.1.2.3]", "10.0.0.0/8", true},
		{"10.1.2.3", "https://10.0.0.0/8", true},
		{"10.1.2.3", "10.1.2.4", false},
		{"10.1.2.3", "11.0.0.0/8", false},
		{"[2001:db8::1]:8443", "2001:db8::/32", true},
		{"[2001:db8::1]", "[2001:DB8:0::1]:443", true},
		{"[2001:db8::1]", "2001:db8::2", false},
	} {
		want := base
		if !c.covers {
			want += "," + c.entry
		}
		s := appenv.Settings{ProxyURL: proxyURL, Hosts: []string{"other.example", c.host}}
		got := values(t, appenv.Variables(s, getenv(map[string]string{"NO_PROXY": c.entry})))
		if got["NO_PROXY"] != want {
			t.Errorf("host %s, entry %s: NO_PROXY = %q, want %q", c.host, c.entry, got["NO_PROXY"], want)
		}
	}
}

// What the application had and has no longer would fail without a word.
func TestExemptionsThatAreLeftOutAreNamed(t *testing.T) {
	t.Parallel()
	environ := map[string]string{
		"NO_PROXY": "db.internal,intranet.corp;other.corp, *,.volces.com,localhost",
		"no_proxy": "*,http://user:secret@odd.corp",
	}
	const unread = "clients read it differently; give names, addresses and ranges, with commas between them"
	want := []appenv.LeftOut{
		{Entry: "intranet.corp;other.corp", Why: unread},
		{Entry: "*", Why: "it would lead every request around sealcar, in clear"},
		{Entry: ".volces.com", Why: "it would lead requests to ark.cn-beijing.volces.com around sealcar, in clear"},
		{Entry: "odd.corp", Why: unread},
	}
	s := appenv.Settings{ProxyURL: proxyURL, Hosts: []string{"other.example", "ark.cn-beijing.volces.com"}}
	if got := appenv.LeftOuts(s, getenv(environ)); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := appenv.LeftOuts(s, getenv(values(t, appenv.Variables(s, getenv(environ))))); len(got) != 0 {
		t.Errorf("of what was set before, %+v is left out", got)
	}
}

func TestAnExemptionOfEverythingIsNeverKept(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"*", ".", "*.", "*.*"} {
		got := values(t, appenv.Variables(appenv.Settings{ProxyURL: proxyURL}, getenv(map[string]string{"no_proxy": entry})))
		if want := "localhost,127.0.0.1,::1,.svc,.cluster.local"; got["NO_PROXY"] != want {
			t.Errorf("%s: NO_PROXY = %q, want %q", entry, got["NO_PROXY"], want)
		}
	}
}

func TestBuiltInExemptionsGiveWayToRoutedHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hosts []string
		want  string
	}{
		{[]string{"localhost:8443"}, "127.0.0.1,::1,.svc,.cluster.local"},
		{[]string{"127.0.0.1:8443", "[::1]:8443"}, "localhost,.svc,.cluster.local"},
		{[]string{"enclave.default.svc"}, "localhost,127.0.0.1,::1,.cluster.local"},
		{[]string{"localhost", "127.0.0.1", "[::1]", "a.svc", "a.cluster.local"}, ""},
	} {
		got := values(t, appenv.Variables(appenv.Settings{ProxyURL: proxyURL, Hosts: c.hosts}, getenv(nil)))
		for _, name := range []string{"NO_PROXY", "no_proxy"} {
			value, isSet := got[name]
			if !isSet || value != c.want {
				t.Errorf("hosts %q: %s = %q (set: %v), want %q", c.hosts, name, value, isSet, c.want)
			}
		}
	}
}
