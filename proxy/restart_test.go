package proxy_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sealcar/config"
	"sealcar/proxy"
)

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	r := start(t, new(recorder), c)
	before := r.Addr().String()
	next := *c
	next.Listen, next.Interception.CADir, next.Egress.Default = "127.0.0.1:1", t.TempDir(), "deny"
	if err := r.Reload(&next); err != nil {
		t.Fatal(err)
	}
	line := r.log.line(t, map[string]any{"level": "warn", "settings": "listen, interception.ca_dir"})
	if !strings.Contains(line["message"].(string), "restart") || r.Addr().String() != before {
		t.Errorf("%v", line)
	}
	if _, body := get(t, r.client(), "http://127.0.0.1:1/"); !strings.Contains(body, "egress_denied") {
		t.Errorf("the rest is not in force: %s", body)
	}
}

// Every setting is changed by itself. Those that wait for a restart are the ones
// that docs/configuration.md names, by those names, and no others.
func TestWhatNeedsARestartIsWhatTheDocumentationNames(t *testing.T) {
	t.Parallel()
	documented := restartSettings(t)
	found := map[string]bool{}
	c := testConfig(t)
	r := start(t, new(recorder), c)
	eachLeaf("", reflect.ValueOf(c).Elem(), func(key string, value reflect.Value) {
		was := reflect.ValueOf(value.Interface())
		change(value)
		next := *c
		value.Set(was)
		before := len(r.log.String())
		err := r.Reload(&next) // what is not kept may be no good
		setting := waitingSetting(r.log.String()[before:])
		switch named := documented[setting]; {
		case setting != "" && (!named || err != nil || setting != key && !strings.HasPrefix(key, setting+".")):
			t.Errorf("a change of %s is said to wait for a restart as %q: %v", key, setting, err)
		case setting == "" && (documented[key] || documented[strings.Split(key, ".")[0]]):
			t.Errorf("a change of %s is said to need no restart: %v", key, err)
		}
		found[setting] = true
	})
	for setting := range documented {
		if !found[setting] {
			t.Errorf("no change is said to wait as %s", setting)
		}
	}
}

// restartSettings are those that docs/configuration.md names.
func restartSettings(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "These take effect at the next start:")
	list, _, _ = strings.Cut(list, ". ")
	named := map[string]bool{}
	for _, name := range regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(list, -1) {
		named[name[1]] = true
	}
	return named
}

// waitingSetting is what a log says that it waits for a restart; "" for nothing.
func waitingSetting(log string) string {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "changed settings need a restart") {
			return regexp.MustCompile(`"settings":"([^"]*)"`).FindStringSubmatch(line)[1]
		}
	}
	return ""
}

// eachLeaf visits all values of a configuration outside lists, by their keys.
func eachLeaf(key string, v reflect.Value, visit func(key string, value reflect.Value)) {
	if v.Kind() == reflect.Struct {
		for f, member := range v.Fields() {
			eachLeaf(strings.TrimPrefix(key+"."+f.Tag.Get("mapstructure"), "."), member, visit)
		}
	} else if v.Kind() != reflect.Slice {
		visit(key, v)
	}
}

func change(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.String:
		v.SetString(v.String() + "x")
	default:
		v.SetInt(v.Int() + 7)
	}
}

// A limit of 0 stands for what fits the machine, after a reload too.
func TestT84_LimitsAreFittedOnce(t *testing.T) {
	t.Parallel()
	var seen []config.Limits
	c := testConfig(t)
	r := start(t, new(recorder), c, func(o *proxy.Options) {
		o.Machine = config.Machine{Memory: 57 << 20}
		carry := o.Protocol
		o.Protocol = func(c *config.Config, r config.Route) (*proxy.Protocol, error) {
			seen = append(seen, c.Limits)
			return carry(c, r)
		}
	})
	if err := r.Reload(c); err != nil {
		t.Fatal(err)
	}
	want := c.Fit(config.Machine{Memory: 57 << 20}).Limits
	if want.Requests != 132 || len(seen) != 2*len(c.Routes) || slices.ContainsFunc(seen, func(l config.Limits) bool { return l != want }) {
		t.Errorf("routes were made with %+v, want %+v", seen, want)
	}
	if strings.Contains(r.log.String(), "restart") {
		t.Errorf("a restart for nothing: %s", r.log)
	}
}
