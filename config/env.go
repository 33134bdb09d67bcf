package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	variablePrefix = "SEALCAR_"
	variableFile   = "SEALCAR_CONFIG"
	variableInline = "SEALCAR_CONFIG_YAML"
)

// kubernetesVariable matches what Kubernetes puts into the environment of every
// pod for a Service named sealcar or sealcar-…, which is none of ours.
// https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
var kubernetesVariable = regexp.MustCompile(`^SEALCAR_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// override is one key set by an environment variable.
type override struct {
	scalar
	value any
}

// overrides are the scalar keys that the environment sets. Every other variable
// with our prefix is a mistake, so that a mistyped one is not silently without
// effect.
func overrides(environ []string, dir string) ([]override, Mistakes) {
	known := map[string]scalar{}
	names := []string{variableFile, variableInline}
	for _, s := range scalars(reflect.TypeFor[Config](), "") {
		known[s.variable()] = s
		names = append(names, s.variable())
	}
	var set []override
	var mistakes Mistakes
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		s, ok := known[name]
		switch {
		case !strings.HasPrefix(name, variablePrefix), name == variableFile, name == variableInline:
		case ok:
			v, allowed := s.read(value, dir)
			if allowed != "" {
				mistakes.add(name, value, allowed)
				continue
			}
			set = append(set, override{scalar: s, value: v})
		case kubernetesVariable.MatchString(name):
		default:
			mistakes.hide(printable(name), unknownVariable(name, names))
		}
	}
	return set, mistakes
}

// read turns a variable's text into a value of the key's type, or says what is
// allowed. An empty text is an empty value, not the default. Relative
// paths are relative to dir.
func (s scalar) read(value, dir string) (v any, allowed string) {
	switch {
	case isBytes(s.typ):
		b, err := ParseBytes(value)
		if err != nil {
			return nil, err.Error()
		}
		return b, ""
	case isDuration(s.typ):
		d, err := parseDuration(value)
		if err != nil {
			return nil, err.Error()
		}
		return d, ""
	case s.typ.Kind() == reflect.Bool:
		if value != "true" && value != "false" {
			return nil, "true or false"
		}
		return value == "true", ""
	case s.typ.Kind() == reflect.Int:
		n, err := parseCount(value)
		if err != nil {
			return nil, err.Error()
		}
		return n, ""
	case !utf8.ValidString(value):
		return nil, "UTF-8 text"
	case isPath(s.key) && value != "":
		return absolute(value, dir), ""
	default:
		return value, ""
	}
}

// unknownVariable says what to do about a variable that does not exist. The
// prefix, which all have, says nothing about what was meant.
func unknownVariable(name string, names []string) string {
	endings := make([]string, len(names))
	for i, n := range names {
		endings[i] = strings.TrimPrefix(n, variablePrefix)
	}
	if near := nearest(strings.TrimPrefix(name, variablePrefix), endings); near != "" {
		return fmt.Sprintf("no such variable; did you mean %s%s?", variablePrefix, near)
	}
	return "no such variable; lists and routes are set in the file or in " + variableInline
}

// lookup makes a getenv of an environment. As in os.Environ the last of several
// entries wins.
func lookup(environ []string) func(string) string {
	m := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		m[name] = value
	}
	return func(name string) string { return m[name] }
}
