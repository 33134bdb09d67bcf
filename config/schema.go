package config

import (
	"reflect"
	"strings"
	"time"
)

func isBytes(t reflect.Type) bool    { return t == reflect.TypeFor[Bytes]() }
func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

// keyOf is the name that a field has in the file.
func keyOf(f reflect.StructField) string { return f.Tag.Get("mapstructure") }

// keysOf are the names that the members of a struct have in the file, in order.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = keyOf(t.Field(i))
	}
	return keys
}

// fieldOf finds a struct's field by the name it has in the file.
func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if keyOf(f) == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// join appends a member's name to a key.
func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// scalars are the keys outside lists with their types: what an environment
// variable can set. In file order.
func scalars(t reflect.Type, prefix string) []scalar {
	var all []scalar
	for f := range t.Fields() {
		key := join(prefix, keyOf(f))
		switch f.Type.Kind() {
		case reflect.Struct:
			all = append(all, scalars(f.Type, key)...)
		case reflect.Slice:
		default:
			all = append(all, scalar{key: key, typ: f.Type})
		}
	}
	return all
}

// scalar is one key that holds a single value.
type scalar struct {
	key string
	typ reflect.Type
}

// variable is the environment variable that sets the key.
func (s scalar) variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// nearest is the candidate that a mistyped name most likely meant, or "".
func nearest(name string, candidates []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
