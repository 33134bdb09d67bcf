package webhook_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sealcar/webhook"
)

// settings are those that the chart renders; test/charts holds the file to it.
func settings(t *testing.T) *webhook.Settings {
	t.Helper()
	s, err := webhook.ReadSettings("testdata/injection.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// apply applies a patch of additions, which are all that there are.
func apply(t *testing.T, pod string, ops []webhook.PatchOp) string {
	t.Helper()
	text, err := json.Marshal(ops) // as the API server sees it
	if err != nil {
		t.Fatal(err)
	}
	var wire []struct {
		Op, Path string
		Value    any
	}
	var doc any
	unmarshal(t, string(text), &wire)
	unmarshal(t, pod, &doc)
	for _, op := range wire {
		if op.Op != "add" {
			t.Fatalf("operation %q", op.Op)
		}
		doc = add(t, doc, strings.Split(op.Path, "/")[1:], op.Value)
	}
	changed, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}

// add is the operation of RFC 6902, section 4.1.
func add(t *testing.T, doc any, path []string, value any) any {
	t.Helper()
	key := unescape(path[0])
	switch d := doc.(type) {
	case map[string]any:
		if len(path) > 1 {
			value = add(t, d[key], path[1:], value)
		}
		d[key] = value
		return d
	case []any:
		i, err := strconv.Atoi(key)
		if err != nil || i > len(d) {
			t.Fatalf("there is no place %q in a list of %d", key, len(d))
		}
		if len(path) == 1 {
			return slices.Insert(d, i, value)
		}
		d[i] = add(t, d[i], path[1:], value)
		return d
	}
	t.Fatalf("nothing can be added at %q", path)
	return nil
}

// at finds a value by its pointer, in which a name may stand for the index of
// the list's member of that name. Nothing there is nil.
func at(doc any, pointer string) any {
	for key := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		key = unescape(key)
		switch d := doc.(type) {
		case map[string]any:
			doc = d[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil {
				i = slices.IndexFunc(d, func(m any) bool { return m.(map[string]any)["name"] == key })
			}
			if i < 0 || i >= len(d) {
				return nil
			}
			doc = d[i]
		default:
			return nil
		}
	}
	return doc
}

func unescape(key string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(key)
}

func unmarshal(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
