package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// parse reads a YAML text as strictly as can be: one document, every key known,
// spelled exactly and given once, every value of its own type. What is wrong
// becomes a mistake and is left out of the result, so that the rest can be
// checked too. viper would take "yes" for a bool, any spelling of a key, and
// the first of two documents.
func parse(src []byte) (map[string]any, Mistakes, error) {
	d := yaml.NewDecoder(bytes.NewReader(src))
	var doc, second yaml.Node
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF): // empty, or nothing but comments
		return map[string]any{}, nil, nil
	case err != nil && strings.Contains(err.Error(), "anchor"): // it would be named, and may be a secret that begins with *
		return nil, nil, errors.New("yaml: an alias without its anchor: aliases are not supported, put a text that begins with * in quotes")
	case err != nil:
		return nil, nil, err
	}
	if err := d.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("more than one YAML document (---): one is allowed")
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return map[string]any{}, nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, nil, errors.New("the document is not a map of keys")
	}
	var s strict
	s.check("", root, reflect.TypeFor[Config]())
	m := map[string]any{}
	return m, s.mistakes, root.Decode(m)
}

// strict compares a YAML tree with the types of Config.
type strict struct{ mistakes Mistakes }

// check tells whether the node can be decoded into the type. Members of a map
// that cannot are taken out of it.
func (s *strict) check(key string, n *yaml.Node, t reflect.Type) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		s.mistakes.hide(key, "anchors and aliases are not supported: write the value out")
		return false
	}
	switch {
	case t.Kind() == reflect.Struct:
		return s.members(key, n, t)
	case t.Kind() == reflect.Slice:
		return s.items(key, n, t.Elem())
	default:
		return s.scalar(key, n, t)
	}
}

func (s *strict) members(key string, n *yaml.Node, t reflect.Type) bool {
	if n.Kind != yaml.MappingNode {
		s.wrong(key, n, "a map of "+strings.Join(keysOf(t), ", "))
		return false
	}
	var kept []*yaml.Node
	seen := map[string]bool{}
	for pair := range slices.Chunk(n.Content, 2) {
		name := pair[0].Value
		path := join(key, name)
		f, known := fieldOf(t, name)
		switch {
		case !known: // a key that is no text has no name of ours
			s.mistakes.hide(join(key, printable(name)), unknownKey(name, keysOf(t)))
		case seen[name]:
			s.mistakes.hide(path, "given twice")
		case s.check(path, pair[1], f.Type):
			kept = append(kept, pair...)
		}
		seen[name] = true
	}
	n.Content = kept
	return true
}

func (s *strict) items(key string, n *yaml.Node, t reflect.Type) bool {
	if n.Kind != yaml.SequenceNode {
		s.wrong(key, n, "a list")
		return false
	}
	for i, item := range n.Content {
		if !s.check(fmt.Sprintf("%s[%d]", key, i), item, t) {
			n.Content[i] = encode(reflect.Zero(t)) // keeps the place, so that the keys of later items stay right
		}
	}
	return true
}

func (s *strict) scalar(key string, n *yaml.Node, t reflect.Type) bool {
	allowed, ok := readable(n, t)
	if ok && n.Kind == yaml.ScalarNode {
		return true
	}
	s.wrong(key, n, allowed)
	return false
}

// readable tells whether a scalar is one of the type, and what is allowed.
func readable(n *yaml.Node, t reflect.Type) (allowed string, ok bool) {
	tag := n.ShortTag()
	switch {
	case isBytes(t):
		_, err := ParseBytes(n.Value)
		return errSize.Error(), err == nil && (tag == "!!str" || tag == "!!int")
	case isDuration(t):
		_, err := parseDuration(n.Value)
		return errDuration.Error(), err == nil
	case t.Kind() == reflect.Bool:
		return "true or false", tag == "!!bool"
	case t.Kind() == reflect.Int:
		_, err := parseCount(n.Value)
		return errCount.Error(), err == nil && tag == "!!int"
	default:
		return "text, in quotes", tag == "!!str"
	}
}

// wrong records a node of the wrong type.
func (s *strict) wrong(key string, n *yaml.Node, allowed string) {
	switch {
	case n.Kind == yaml.MappingNode:
		s.mistakes.hide(key, "a map is not allowed: "+allowed)
	case n.Kind == yaml.SequenceNode:
		s.mistakes.hide(key, "a list is not allowed: "+allowed)
	case n.ShortTag() == "!!null":
		s.mistakes.hide(key, "has no value: give one or remove the key; allowed: "+allowed)
	default:
		s.mistakes.add(key, n.Value, allowed)
	}
}

var errDuration = errors.New("a duration is a number and a unit: ms, s, m, h, as in 30s or 1h30m")

// parseDuration reads a duration, which must have a unit, even if it is 0.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || !strings.HasSuffix(s, "s") && !strings.HasSuffix(s, "m") && !strings.HasSuffix(s, "h") {
		return 0, errDuration
	}
	return d, nil
}

var errCount = errors.New("a whole number, without a unit")

// parseCount reads a number of things, in decimal.
func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s { // YAML knows 0o17, 1_000 and the like
		return 0, errCount
	}
	return n, nil
}

// unknownKey says what to do about a key that does not exist.
func unknownKey(name string, known []string) string {
	if looksSecret(name) {
		return "no such key: secrets are never written inline; give the name of a file that holds it (access_key_file, secret_key_file, upstream_proxy_auth_file, client_key_file); an API key comes with each request, or from credentials.api_key_file"
	}
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("no such key; did you mean %s?", near)
	}
	return "no such key; allowed: " + strings.Join(known, ", ")
}
