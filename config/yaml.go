package config

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// YAML is the configuration as a file: every key, in the order of Config, sizes
// and durations in the form they are written in. It holds no secrets, for a
// Config holds none: they are given by the name of a file.
func (c *Config) YAML() ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(encode(reflect.ValueOf(*c))); err != nil {
		return nil, err
	}
	if err := e.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encode is a value of Config as YAML.
func encode(v reflect.Value) *yaml.Node {
	switch {
	case isBytes(v.Type()):
		return text(Bytes(v.Int()).String())
	case isDuration(v.Type()):
		return text(formatDuration(time.Duration(v.Int())))
	}
	switch v.Kind() {
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for f, member := range v.Fields() {
			n.Content = append(n.Content, text(keyOf(f)), encode(member))
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			n.Content = append(n.Content, encode(v.Index(i)))
		}
		return n
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	default:
		return text(v.String())
	}
}

func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if s == "<<" { // the one text that needs quotes and does not get them from the encoder
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// settings is a struct of Config as the maps that viper works on, made from its
// YAML so that there is one way a value is written.
func settings(v reflect.Value) (map[string]any, error) {
	m := map[string]any{}
	return m, encode(v).Decode(m)
}

// formatDuration is the duration without its zero parts: 2m and not 2m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
