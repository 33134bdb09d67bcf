package appenv

import (
	"fmt"
	"slices"
	"strings"
)

// The runtimes whose variables can be chosen. Java's is one alone: the JVM looks at
// no other.
const (
	python = "python"
	node   = "node"
	java   = "java"
	golang = "go"
)

// Audiences are the runtimes whose variables can be chosen.
func Audiences() []string { return []string{python, node, java, golang} }

// For keeps the variables that programs of one runtime look at; "" keeps all.
func For(audience string, vars []Var) ([]Var, error) {
	if audience == "" {
		return vars, nil
	}
	if !slices.Contains(Audiences(), audience) {
		return nil, fmt.Errorf("no variables are known for %q; there are those of %s", audience, strings.Join(Audiences(), ", "))
	}
	var names []string
	for _, g := range groups(Settings{}, func(string) string { return "" }) {
		if slices.Contains(g.audiences, audience) {
			names = append(names, g.names...)
		}
	}
	return slices.DeleteFunc(slices.Clone(vars), func(v Var) bool { return !slices.Contains(names, v.Name) }), nil
}
