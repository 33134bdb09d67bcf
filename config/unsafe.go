package config

import (
	"reflect"
	"strings"
)

// Unsafe lists the keys named unsafe_… that are set, and those whose value is
// named so, so that a start can log them. It finds them by their names: none can
// be forgotten.
func (c *Config) Unsafe() []string {
	return unsafeKeys("", reflect.ValueOf(*c))
}

func unsafeKeys(key string, v reflect.Value) []string {
	var keys []string
	switch v.Kind() {
	case reflect.Struct:
		for f, member := range v.Fields() {
			name := keyOf(f)
			isSet := !member.IsZero() && (member.Kind() != reflect.Slice || member.Len() > 0)
			isUnsafe := strings.HasPrefix(name, "unsafe_") || member.Kind() == reflect.String && strings.HasPrefix(member.String(), "unsafe_")
			if isUnsafe && isSet {
				keys = append(keys, join(key, name))
			}
			keys = append(keys, unsafeKeys(join(key, name), member)...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			keys = append(keys, unsafeKeys(index(key, i), v.Index(i))...)
		}
	}
	return keys
}
