package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// The values of residue.
const (
	residueDefault = "default"
	residueRefuse  = "refuse"
)

var (
	memberName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	residuePath = regexp.MustCompile(`^\??[A-Za-z_][A-Za-z0-9_-]*(\[(\*|\d+)\]|\.[A-Za-z_][A-Za-z0-9_-]*)*$`)
)

// checkResidue checks what is done with what cannot be sealed.
func (r *Route) checkResidue(m *Mistakes, key string) {
	m.oneOf(key+".residue", r.Residue, residueDefault, residueRefuse, "report", "unsafe_allow")
	m.oneOf(key+".replies.clear", r.Replies.Clear, "report", residueRefuse)
	for i, e := range r.ResidueExceptions {
		at := index(key+".residue_exceptions", i)
		if !residuePath.MatchString(e.Path) {
			m.add(at+".path", e.Path, "a path such as tools[*].function.description, as errors and reports show it")
		}
		m.oneOf(at+".residue", e.Residue, residueDefault, residueRefuse, "report", "unsafe_allow")
	}
	for i, name := range r.Strip {
		at := index(key+".strip", i)
		switch {
		case !memberName.MatchString(name):
			m.add(at, name, "the name of a member of the request's top level, such as user")
		case slices.Contains([]string{"model", "messages", "stream"}, strings.ToLower(name)):
			m.add(at, name, "a member that a request can do without")
		case r.MoveTools && slices.Contains([]string{"tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"}, name):
			m.add(at, name, "a member that move_tools: true does not move into the content")
		case slices.Contains(r.Strip[:i], name):
			m.add(at, name, "each name once")
		}
	}
	if r.Strict {
		r.checkStrict(m, key)
	}
}

func (i *InlineImages) check(m *Mistakes, key string) {
	m.positive(key, reflect.ValueOf(*i))
	m.strangers(key, i.Addresses, i.AllowedHosts)
}

// checkStrict wants nothing to be set that strict forbids.
func (r *Route) checkStrict(m *Mistakes, key string) {
	if r.Residue != residueDefault && r.Residue != residueRefuse {
		m.add(key+".residue", r.Residue, "only "+residueDefault+" or "+residueRefuse+" with strict: true")
	}
	for i, e := range r.ResidueExceptions {
		if e.Residue != residueRefuse {
			m.add(index(key+".residue_exceptions", i)+".residue", e.Residue, "only "+residueRefuse+" with strict: true")
		}
	}
	for i, path := range r.UnsafePlaintextPaths {
		m.add(index(key+".unsafe_plaintext_paths", i), path, "none with strict: true, which lets nothing leave in clear")
	}
	if r.Replies.UnsafeContentFilterText {
		m.add(key+".replies.unsafe_content_filter_text", "true", "only false with strict: true")
	}
}
