package config_test

import (
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"sealcar/config"
)

// key is one value of Config by its name in the documentation, where []
// stands for each item of a list.
type key struct {
	name string
	typ  reflect.Type
}

// variable is the environment variable that sets the key, "" if none does.
func (k key) variable() string {
	if strings.Contains(k.name, "[]") || k.typ.Kind() == reflect.Slice {
		return ""
	}
	return "SEALCAR_" + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// keys are all values that a configuration can hold.
func keys(t reflect.Type, prefix string) []key {
	var all []key
	for f := range t.Fields() {
		name := prefix + f.Tag.Get("mapstructure")
		switch {
		case f.Type.Kind() == reflect.Struct:
			all = append(all, keys(f.Type, name+".")...)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			all = append(all, keys(f.Type.Elem(), name+"[].")...)
		default:
			all = append(all, key{name, f.Type})
		}
	}
	return all
}

// defaults are the documented defaults by key, from the defaults themselves. A
// route's are those of a route in a file.
func defaults(t *testing.T) map[string]string {
	t.Helper()
	c := config.Default()
	c.Routes = []config.Route{config.NewRoute("")}
	m := map[string]string{}
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		switch x := v.Interface().(type) {
		case time.Duration:
			m[name] = regexp.MustCompile(`([hm])0[ms](0s)?$`).ReplaceAllString(x.String(), "$1")
			return
		case config.Bytes:
			m[name] = x.String()
			return
		}
		switch {
		case v.Kind() == reflect.Struct:
			for f, member := range v.Fields() {
				walk(strings.TrimPrefix(name+"."+f.Tag.Get("mapstructure"), "."), member)
			}
		case v.Kind() == reflect.Slice && v.Len() > 0:
			walk(name+"[]", v.Index(0))
		case v.Kind() == reflect.Slice:
			m[name] = "[]"
		case v.Kind() == reflect.Bool && v.Bool():
			m[name] = "true"
		case v.Kind() == reflect.Bool:
			m[name] = "false"
		case v.Kind() == reflect.Int:
			m[name] = strconv.FormatInt(v.Int(), 10)
		default:
			m[name] = v.String()
		}
	}
	walk("", reflect.ValueOf(*c))
	return m
}

func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (?:`([^`]*)`)? ?\\| ([^|]*) \\| (?:`([^`]*)`)? ?\\| ([^|]*) \\|$")
	rows := map[string][]string{}
	for _, columns := range row.FindAllStringSubmatch(string(doc), -1) {
		if rows[columns[1]] != nil {
			t.Errorf("%s is documented twice", columns[1])
		}
		rows[columns[1]] = columns
	}
	want := defaults(t)
	for _, k := range keys(reflect.TypeFor[config.Config](), "") {
		columns, ok := rows[k.name]
		delete(rows, k.name)
		if !ok {
			t.Errorf("%s is not documented", k.name)
			continue
		}
		if columns[2] != want[k.name] {
			t.Errorf("%s: default %q is documented, want %q", k.name, columns[2], want[k.name])
		}
		if columns[4] != k.variable() {
			t.Errorf("%s: variable %q is documented, want %q", k.name, columns[4], k.variable())
		}
		if strings.TrimSpace(columns[3]) == "" || strings.TrimSpace(columns[5]) == "" {
			t.Errorf("%s: allowed values or meaning are missing", k.name)
		}
	}
	for name := range rows {
		t.Errorf("%s is documented, but there is no such key", name)
	}
}

func TestExampleHoldsEveryKeyWithItsDefault(t *testing.T) {
	t.Parallel()
	const path = "../config.example.yaml"
	environ := []string{"HOME=/home/user"}
	got, err := config.Load(config.Source{Path: path, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	want, err := config.Load(config.Source{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the example is\n%+v, not the defaults\n%+v", got, want)
	}

	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(uncommented(text), &doc); err != nil {
		t.Fatal(err)
	}
	present := map[string]bool{}
	collect(present, "", doc.Content[0])
	for _, k := range keys(reflect.TypeFor[config.Config](), "") {
		if !present[k.name] {
			t.Errorf("%s is not in the example", k.name)
		}
	}
}

func collect(present map[string]bool, name string, n *yaml.Node) {
	present[name] = true
	for i, child := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode:
			collect(present, name+"[]", child)
		case i%2 == 1:
			collect(present, strings.TrimPrefix(name+"."+n.Content[i-1].Value, "."), child)
		}
	}
}

// uncommented is the example with the routes that are commented out: lines that
// begin with # and at least two spaces.
func uncommented(text []byte) []byte {
	return regexp.MustCompile(`(?m)^#(  )`).ReplaceAll(text, []byte("$1"))
}

func TestCommentedRoutesOfTheExampleAreValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, string(uncommented(text)))
	if len(c.Routes) != 8 {
		t.Errorf("%d routes, want 2 and the 6 commented out", len(c.Routes))
	}
}
