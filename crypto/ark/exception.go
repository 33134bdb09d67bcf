package ark

import (
	"fmt"
	"regexp"
	"strings"

	"sealcar/rewrite"
)

// Exception is a mode of its own for one place and what is below it.
type Exception struct {
	Path string // as in errors and reports, with [*] for any index: tools[*].function.description
	Mode Mode
}

// A path in an exception, and its steps: a name, or an index in brackets.
var (
	exceptionPath = regexp.MustCompile(`^\??[A-Za-z_][A-Za-z0-9_-]*(\[(\*|\d+)\]|\.[A-Za-z_][A-Za-z0-9_-]*)*$`)
	pathStep      = regexp.MustCompile(`\[[*\d]+\]|[^.\[]+`)
)

// checkExceptions refuses exceptions that can never count, for whoever wrote them
// believes that they do, and notes those that probably do not.
func (p *Policy) checkExceptions() error {
	for i, e := range p.exceptions {
		if !exceptionPath.MatchString(e.Path) || !knownMode(e.Mode) {
			return fmt.Errorf("residue exception for %q, mode %q: neither may be anything else than a path and a mode", e.Path, e.Mode)
		}
		doubt, err := e.meets(p.shape)
		for _, earlier := range p.exceptions[:i] {
			if err == nil && earlier.hides(e) {
				err = fmt.Errorf("the exception for %q, which comes before it, counts for all that it is for; put it first", earlier.Path)
			}
		}
		if err != nil {
			return fmt.Errorf("residue exception for %q: %w", e.Path, err)
		}
		if doubt != "" {
			p.doubts = append(p.doubts, fmt.Sprintf("residue exception for %q: %s", e.Path, doubt))
		}
	}
	return nil
}

// meets looks for the place of an exception in the table. An error says why
// nothing there is ever judged, a doubt why it hardly is.
func (e Exception) meets(shape *rewrite.Shape) (doubt string, err error) {
	if e.Path[0] == '?' { // the names of parameters of a query are in no table
		return "", nil
	}
	known := true
	for _, at := range pathStep.FindAllStringIndex(e.Path, -1) {
		if shape.Fields == nil && shape.Items == nil { // what is below has no shape
			return "", fmt.Errorf("%q is judged as a whole; give the exception for that, or none", strings.TrimSuffix(e.Path[:at[0]], "."))
		}
		next, like := below(shape, e.Path[at[0]:at[1]])
		if like != "" {
			return "", fmt.Errorf("a request with that name is refused always, for it differs from %q only in case", like)
		}
		shape = next
		known = known && class(shape.Name[0]) != unknown
	}
	switch class(shape.Name[0]) {
	case modelName, streamFlag, partType, secretText:
		return "", fmt.Errorf("what stands there is sealed, or never content, so the policy is not asked about it")
	case stripped:
		return "", fmt.Errorf("what stands there is taken out by strip")
	case number, word:
		doubt = "the table has it as structural, so it passes anyway unless it is of another kind (docs/residue.md)"
	}
	if !known {
		doubt = "the table has no such name, so it counts for an unknown parameter only; if that is not meant, see how docs/residue.md writes it"
	}
	return doubt, nil
}

// below is the place one step below another one, or the name there that differs
// from the step only in case.
func below(shape *rewrite.Shape, step string) (next *rewrite.Shape, like string) {
	if step[0] == '[' {
		return shape.Items, ""
	}
	if next, ok := shape.Fields[step]; ok {
		return next, ""
	}
	for name := range shape.Fields {
		if strings.EqualFold(name, step) {
			return nil, name
		}
	}
	return shape.Other, ""
}

// hides tells whether an exception counts wherever a later one would.
func (e Exception) hides(later Exception) bool {
	all, covered := pathStep.FindAllString(e.Path, -1), pathStep.FindAllString(later.Path, -1)
	if len(all) > len(covered) {
		return false
	}
	for i, step := range all {
		if step != covered[i] && (step != "[*]" || covered[i][0] != '[') {
			return false
		}
	}
	return true
}

// covers tells whether path is the place of the pattern, or below it.
func covers(pattern, path string) bool {
	for {
		literal, rest, wildcard := strings.Cut(pattern, "*")
		var ok bool
		if path, ok = strings.CutPrefix(path, literal); !ok {
			return false
		}
		if !wildcard {
			return path == "" || path[0] == '.' || path[0] == '['
		}
		index := strings.TrimLeft(path, "0123456789")
		if index == path {
			return false
		}
		pattern, path = rest, index
	}
}
