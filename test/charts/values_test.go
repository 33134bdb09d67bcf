package charts_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"sealcar/appenv"
)

// uncommented gives the values without a comment of their own.
func uncommented(node *yaml.Node, path string) []string {
	if node.Kind == yaml.DocumentNode {
		return uncommented(node.Content[0], path)
	}
	var found []string
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if value.Kind == yaml.MappingNode && len(value.Content) > 0 {
			found = append(found, uncommented(value, at)...)
		} else if !strings.HasPrefix(key.HeadComment, "# -- ") {
			found = append(found, at)
		}
	}
	return found
}

func TestEveryValueIsCommented(t *testing.T) {
	t.Parallel()
	for _, chart := range []string{"sealcar", "sealcar-sidecar"} {
		text, err := os.ReadFile(filepath.Join(top, "charts", chart, "values.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var values yaml.Node
		if err := yaml.Unmarshal(text, &values); err != nil {
			t.Fatal(err)
		}
		for _, at := range uncommented(&values, "") {
			t.Errorf("charts/%s: %s has no comment", chart, at)
		}
	}
}

func TestReadmesAreThoseOfTheValues(t *testing.T) {
	t.Parallel()
	for _, chart := range []string{"sealcar", "sealcar-sidecar"} {
		want, err := run(t, nil, "helm-docs", "--chart-search-root=charts/"+chart, "--chart-to-generate=charts/"+chart, "--dry-run", "--skip-version-footer", "--log-level=error")
		if err != nil {
			t.Fatalf("%v\n%s", err, want)
		}
		got, err := os.ReadFile(filepath.Join(top, "charts", chart, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(string(got)) != strings.TrimSpace(want) {
			t.Errorf("charts/%s/README.md is out of date: make chart-docs", chart)
		}
	}
}

// TestTheNotesWaitAsTheDocumentationDoes: test/kube runs the command of the
// documentation, so the notes have the same.
func TestTheNotesWaitAsTheDocumentationDoes(t *testing.T) {
	t.Parallel()
	probe := regexp.MustCompile(`for i in .*kubectl run probe .*grep -q sealcar/status`)
	want, got := probe.FindString(read(t, "docs/kubernetes.md")), probe.FindString(read(t, "charts/sealcar/templates/NOTES.txt"))
	if want == "" || got != want {
		t.Errorf("NOTES.txt waits by\n%s\nand docs/kubernetes.md by\n%s", got, want)
	}
}

func TestAlertsAndDashboardNameMetricsThatExist(t *testing.T) {
	t.Parallel()
	sources := read(t, "proxy/*.go")
	seen := map[string]bool{}
	for _, name := range metricName.FindAllString(read(t, "charts/sealcar/templates/metrics/*.yaml")+read(t, "charts/sealcar/files/*.json"), -1) {
		seen[name] = true
	}
	if len(seen) < 8 {
		t.Fatalf("found %d names", len(seen))
	}
	for name := range seen {
		name = strings.TrimSuffix(name, "_bucket")
		last, isCertificate := strings.CutPrefix(name, "sealcar_certificate_")
		if isCertificate { // their common beginning is put in front of all
			name = last
		}
		if !strings.Contains(sources, `"`+name+`"`) {
			t.Errorf("there is no metric %s", name)
		}
	}
}

var metricName = regexp.MustCompile(`sealcar_[a-z_]+`)

// read gives the files of the tree that fit a pattern.
func read(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(top, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestApplicationsAreToldWhatExecTellsThem holds the templates, which cannot call
// appenv, to what it says.
func TestApplicationsAreToldWhatExecTellsThem(t *testing.T) {
	t.Parallel()
	r := rendering{chart: "charts/examples/library", set: []string{"sealcar." + image, "sealcar.app.baseURL=http://127.0.0.1:14080/v1"}}
	manifests, err := run(t, nil, "helm", r.args("template", newest)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, manifests)
	}
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Env []struct{ Name, Value string }
					}
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(manifests[strings.Index(manifests, "---"):]), &deployment); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range deployment.Spec.Template.Spec.Containers[0].Env[1:] { // the first is the application's own
		got[e.Name] = e.Value
	}
	// The chart knows one address more, that of the cluster's API.
	const api = "api.cluster"
	own := func(name string) string {
		return map[string]string{"NO_PROXY": api}[name]
	}
	wanted := appenv.Variables(appenv.Settings{
		ProxyURL: "http://127.0.0.1:14080", BaseURL: "http://127.0.0.1:14080/v1",
		Hosts:  []string{"ark.cn-beijing.volces.com", "ark.ap-southeast.bytepluses.com"},
		CAFile: "/var/run/sealcar/ca.crt", BundleFile: "/var/run/sealcar/ca-bundle.crt",
		TruststoreFile: "/var/run/sealcar/truststore.p12", TruststorePassword: "changeit",
	}, own)
	for _, v := range wanted {
		if want := strings.ReplaceAll(v.Value, api, "$(KUBERNETES_SERVICE_HOST)"); sorted(got[v.Name]) != sorted(want) {
			t.Errorf("%s is %q, with exec it is %q", v.Name, got[v.Name], want)
		}
		delete(got, v.Name)
	}
	for name := range got {
		t.Errorf("exec does not set %s", name)
	}
}

// sorted makes values comparable in which the order of parts does not matter.
func sorted(value string) string {
	parts := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(",|= ", r) })
	slices.Sort(parts)
	return strings.Join(parts, " ")
}
