package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// billOfMaterials is that of this binary.
func billOfMaterials(t *testing.T) any {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sbom.json")
	if err := run([]string{"-version", "v1", "-sbom", file, self}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return parsed(t, file)
}

func parsed(t *testing.T, file string) any {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// schemas is the folder of CycloneDX's own schemas, which its Go module has.
func schemas(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "schema")
}

func TestBillOfMaterialsFitsItsSchema(t *testing.T) {
	t.Parallel()
	dir := schemas(t)
	bom := billOfMaterials(t)
	version := bom.(map[string]any)["specVersion"].(string)
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"bom-" + version + ".schema.json", "spdx.schema.json", "jsf-0.82.schema.json"} {
		file := filepath.Join(dir, name)
		if name == "jsf-0.82.schema.json" {
			file = filepath.Join(dir, "jsf-0.82.schemax.json") // as the module calls it
		}
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, parsed(t, file)); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-" + version + ".schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(bom); err != nil {
		t.Error(err)
	}
	bom.(map[string]any)["components"].([]any)[0].(map[string]any)["licenses"] = []any{map[string]any{"license": map[string]any{"id": "Mozilla"}}}
	if err := schema.Validate(bom); err == nil {
		t.Error("a licence that SPDX does not know fits")
	}
}

func TestBillOfMaterialsNamesAllThatTheImageHolds(t *testing.T) {
	t.Parallel()
	raw, err := json.Marshal(billOfMaterials(t))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Components []struct {
			Name, Version, Purl string
			Hashes              []struct{ Content string }
			Licenses            []struct {
				Expression string
				License    struct{ ID string }
			}
		}
		Dependencies []struct{ DependsOn []string }
	}
	if err := json.Unmarshal(raw, &bom); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, c := range bom.Components {
		if len(c.Licenses) != 1 || c.Version == "" {
			t.Errorf("%s %q has %d licences", c.Name, c.Version, len(c.Licenses))
			continue
		}
		found[c.Name] = c.Licenses[0].License.ID + c.Licenses[0].Expression
		if c.Name != std && len(c.Hashes) != 1 {
			t.Errorf("%s has no hash", c.Name)
		}
	}
	for name, licence := range map[string]string{
		"std": "BSD-3-Clause", "github.com/google/go-containerregistry": "Apache-2.0", "/" + rootsPath: "MPL-2.0",
	} {
		if found[name] != licence {
			t.Errorf("%s has the licence %q, want %s", name, found[name], licence)
		}
	}
	if len(bom.Dependencies) != 1 || len(bom.Dependencies[0].DependsOn) != len(bom.Components) {
		t.Error("the image is not made of all of them")
	}
}

// Identifiers in an expression are not held by the schema.
func TestExpressionsHaveIdentifiersOfSPDX(t *testing.T) {
	t.Parallel()
	known := parsed(t, filepath.Join(schemas(t), "spdx.schema.json")).(map[string]any)["enum"].([]any)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := partsOf(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		for _, id := range p.licences {
			if !slices.Contains(known, any(id)) {
				t.Errorf("%s: SPDX knows no %s", p.name, id)
			}
		}
	}
}
