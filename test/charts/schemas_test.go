package charts_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type object = map[string]any

// writeSchemas turns Kubernetes' description of its API (Swagger 2) into the
// JSON schemas that kubeconform reads, one self-contained file a kind, in which
// a field that the API does not know is an error.
func writeSchemas(t *testing.T, swagger, dir string) {
	t.Helper()
	raw, err := os.ReadFile(swagger)
	if err != nil {
		t.Fatal(err)
	}
	var api struct{ Definitions map[string]object }
	if err := json.Unmarshal(raw, &api); err != nil {
		t.Fatal(err)
	}
	// Strings on paper, of which the server takes numbers too.
	api.Definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = object{"type": []string{"string", "number"}}
	api.Definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = object{"type": []string{"string", "integer"}}
	for _, d := range api.Definitions {
		strict(d)
	}
	for name, d := range api.Definitions {
		kinds, _ := d["x-kubernetes-group-version-kind"].([]any)
		if len(kinds) != 1 { // no object of its own, or one of every group, such as DeleteOptions
			continue
		}
		file, schema := kindSchema(api.Definitions, name, kinds[0].(object))
		text, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// kindSchema is the schema of a kind, and its name in the form
// {kind}-{first part of the group}-{version}.json.
func kindSchema(definitions map[string]object, name string, gvk object) (file string, schema object) {
	group, version, kind := gvk["group"].(string), gvk["version"].(string), gvk["kind"].(string)
	apiVersion, file := version, strings.ToLower(kind)
	if group != "" {
		apiVersion = group + "/" + version
		first, _, _ := strings.Cut(group, ".")
		file += "-" + first
	}
	schema = maps.Clone(definitions[name])
	properties, _ := schema["properties"].(object)
	properties = maps.Clone(properties)
	if properties == nil {
		properties = object{}
	}
	properties["apiVersion"], properties["kind"] = object{"enum": []string{apiVersion}}, object{"enum": []string{kind}}
	required, _ := schema["required"].([]any)
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["properties"] = properties
	schema["required"] = append(slices.Clone(required), "apiVersion", "kind")
	used := map[string]object{}
	collect(definitions, definitions[name], used)
	schema["definitions"] = used
	return fmt.Sprintf("%s-%s.json", file, version), schema
}

// collect adds to used the definitions that a schema refers to, directly or not.
func collect(definitions map[string]object, schema any, used map[string]object) {
	switch s := schema.(type) {
	case object:
		if ref, ok := s["$ref"].(string); ok {
			name := strings.TrimPrefix(ref, "#/definitions/")
			if _, done := used[name]; !done {
				used[name] = definitions[name]
				collect(definitions, definitions[name], used)
			}
		}
		for _, inner := range s {
			collect(definitions, inner, used)
		}
	case []any:
		for _, inner := range s {
			collect(definitions, inner, used)
		}
	}
}

// strict closes an object that lists its properties, and lets those that are not
// required be null, as the server does.
func strict(d object) {
	properties, ok := d["properties"].(object)
	if !ok {
		for _, key := range []string{"items", "additionalProperties"} {
			if inner, ok := d[key].(object); ok {
				strict(inner)
			}
		}
		return
	}
	d["additionalProperties"] = false
	required, _ := d["required"].([]any)
	for name, value := range properties {
		p, ok := value.(object)
		if !ok {
			continue
		}
		strict(p)
		if !slices.Contains(required, any(name)) {
			properties[name] = object{"anyOf": []any{p, object{"type": "null"}}}
		}
	}
}
