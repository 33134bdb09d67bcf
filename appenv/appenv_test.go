package appenv_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"sealcar/appenv"
)

const proxyURL = "http://127.0.0.1:8080"

// values are the variables by name; a name set twice is a failure.
func values(t *testing.T, vars []appenv.Var) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, v := range vars {
		if _, twice := m[v.Name]; twice {
			t.Errorf("%s is set twice", v.Name)
		}
		m[v.Name] = v.Value
	}
	return m
}

func getenv(environ map[string]string) func(string) string {
	return func(name string) string { return environ[name] }
}

func TestVariables(t *testing.T) {
	t.Parallel()
	const exempt = "localhost,127.0.0.1,::1,.svc,.cluster.local"
	const javaProxy = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8080 -Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080" +
		" -Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1]|*.svc|*.cluster.local"
	proxied := map[string]string{
		"HTTP_PROXY": proxyURL, "http_proxy": proxyURL,
		"HTTPS_PROXY": proxyURL, "https_proxy": proxyURL,
		"ALL_PROXY": proxyURL, "all_proxy": proxyURL,
		"NO_PROXY": exempt, "no_proxy": exempt,
		"NODE_USE_ENV_PROXY": "1",
		"AIOHTTP_TRUST_ENV":  "True",
		"JAVA_TOOL_OPTIONS":  javaProxy,
	}
	for name, c := range map[string]struct {
		settings appenv.Settings
		environ  map[string]string
		more     map[string]string // than proxied, or in its place
	}{
		"proxy alone": {settings: appenv.Settings{ProxyURL: proxyURL}},
		"everything": {
			settings: appenv.Settings{
				ProxyURL: proxyURL, BaseURL: proxyURL + "/v1", AnthropicBaseURL: proxyURL, Hosts: []string{"ark.cn-beijing.volces.com"},
				CAFile: "/ca/ca.crt", BundleFile: "/ca/ca-bundle.crt", TruststoreFile: "/ca/truststore.p12", TruststorePassword: "changeit",
			},
			more: map[string]string{
				"OPENAI_BASE_URL":     proxyURL + "/v1",
				"ANTHROPIC_BASE_URL":  proxyURL,
				"SSL_CERT_FILE":       "/ca/ca-bundle.crt",
				"REQUESTS_CA_BUNDLE":  "/ca/ca-bundle.crt",
				"CURL_CA_BUNDLE":      "/ca/ca-bundle.crt",
				"NODE_EXTRA_CA_CERTS": "/ca/ca.crt",
				"JAVA_TOOL_OPTIONS":   javaProxy + " -Djavax.net.ssl.trustStore=/ca/truststore.p12 -Djavax.net.ssl.trustStoreType=PKCS12 -Djavax.net.ssl.trustStorePassword=changeit",
			},
		},
		"options of the JVM are kept, ours come last": {
			settings: appenv.Settings{ProxyURL: proxyURL},
			environ:  map[string]string{"JAVA_TOOL_OPTIONS": " -Xmx1g "},
			more:     map[string]string{"JAVA_TOOL_OPTIONS": "-Xmx1g " + javaProxy},
		},
		"options of the JVM that ours override are left out": {
			settings: appenv.Settings{ProxyURL: proxyURL},
			environ:  map[string]string{"JAVA_TOOL_OPTIONS": "-Dhttp.proxyHost=old \t'-Dhttps.proxyPort=1' -Dhttp.proxyHosts=kept -D\"http.nonProxyHosts=a b|'c\" -Dmy=\"a  b\""},
			more:     map[string]string{"JAVA_TOOL_OPTIONS": "-Dhttp.proxyHosts=kept -Dmy=\"a  b\" " + javaProxy},
		},
		"proxy on IPv6": {
			settings: appenv.Settings{ProxyURL: "http://[::1]:8080"},
			more: map[string]string{
				"HTTP_PROXY": "http://[::1]:8080", "http_proxy": "http://[::1]:8080",
				"HTTPS_PROXY": "http://[::1]:8080", "https_proxy": "http://[::1]:8080",
				"ALL_PROXY": "http://[::1]:8080", "all_proxy": "http://[::1]:8080",
				"JAVA_TOOL_OPTIONS": strings.ReplaceAll(javaProxy, "proxyHost=127.0.0.1", "proxyHost=::1"),
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := maps.Clone(proxied)
			maps.Copy(want, c.more)
			got := values(t, appenv.Variables(c.settings, getenv(c.environ)))
			for _, name := range slices.Sorted(maps.Keys(want)) {
				if got[name] != want[name] {
					t.Errorf("%s = %q, want %q", name, got[name], want[name])
				}
				delete(got, name)
			}
			if len(got) > 0 {
				t.Errorf("set as well: %q", got)
			}
		})
	}
}

// `eval $(sealcar env)` in a shell that has had it.
func TestVariablesSetTwiceAreTheSame(t *testing.T) {
	t.Parallel()
	s := appenv.Settings{
		ProxyURL: proxyURL, BaseURL: proxyURL + "/v1", AnthropicBaseURL: proxyURL, Hosts: []string{"ark.cn-beijing.volces.com"},
		CAFile: "/ca/ca.crt", BundleFile: "/ca/ca-bundle.crt", TruststoreFile: `/with space "and" 'quotes'.p12`, TruststorePassword: "changeit",
	}
	environ := map[string]string{"JAVA_TOOL_OPTIONS": "-Xmx1g", "NO_PROXY": "example.com"}
	first := appenv.Variables(s, getenv(environ))
	maps.Copy(environ, values(t, first))
	if again := appenv.Variables(s, getenv(environ)); !slices.Equal(first, again) {
		t.Errorf("got\n%q, then\n%q", first, again)
	}
}

func TestVariablesHaveAFixedOrder(t *testing.T) {
	t.Parallel()
	s := appenv.Settings{ProxyURL: proxyURL, CAFile: "/ca.crt", BundleFile: "/bundle.crt"}
	first := appenv.Variables(s, getenv(nil))
	for range 20 {
		if again := appenv.Variables(s, getenv(nil)); !slices.Equal(first, again) {
			t.Fatalf("%q, then %q", first, again)
		}
	}
}

func TestJavaOptionsSurviveTheJVMsParser(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"/plain.p12", "/with space.p12", `/with"quote.p12`, `/both ' and " of them.p12`, "/tab\there"} {
		s := appenv.Settings{ProxyURL: proxyURL, TruststoreFile: file, TruststorePassword: "x"}
		options := values(t, appenv.Variables(s, getenv(nil)))["JAVA_TOOL_OPTIONS"]
		if want := "-Djavax.net.ssl.trustStore=" + file; !slices.Contains(splitLikeJVM(options), want) {
			t.Errorf("%s: the JVM reads %q, want %q among it", options, splitLikeJVM(options), want)
		}
	}
}

// splitLikeJVM splits as Arguments::parse_options_buffer of OpenJDK does.
func splitLikeJVM(options string) []string {
	var all []string
	var one strings.Builder
	var quote rune
	for _, r := range options + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			one.WriteRune(r)
		case r == '"' || r == '\'':
			quote = r
		case strings.ContainsRune(" \t\r\n", r):
			if one.Len() > 0 {
				all = append(all, one.String())
			}
			one.Reset()
		default:
			one.WriteRune(r)
		}
	}
	return all
}

func TestMerge(t *testing.T) {
	t.Parallel()
	environ := []string{"PATH=/bin", "HTTP_PROXY=old", "Http_Proxy=kept", "HTTP_PROXY=older", "EMPTY=", "odd"}
	before := slices.Clone(environ)
	got := appenv.Merge(environ, []appenv.Var{{Name: "HTTP_PROXY", Value: proxyURL}, {Name: "NEW", Value: "a=b"}})
	want := []string{"PATH=/bin", "Http_Proxy=kept", "EMPTY=", "odd", "HTTP_PROXY=" + proxyURL, "NEW=a=b"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(environ, before) {
		t.Errorf("the environment given was changed to %q", environ)
	}
}
