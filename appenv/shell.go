package appenv

import (
	"fmt"
	"slices"
	"strings"
)

// Shells are the ones that Script writes for.
func Shells() []string { return []string{"bash", "zsh", "sh", "dash", "ksh", "fish", "powershell"} }

// posix are the other shells with the language of bash, as far as it goes here.
func posix(shell string) bool { return slices.Contains([]string{"zsh", "sh", "dash", "ksh"}, shell) }

// Script sets the variables in the language of a shell, one line each.
func Script(shell string, vars []Var) (string, error) {
	language := shell
	if posix(shell) {
		language = "bash"
	}
	form, known := map[string]struct {
		line   string // of a name and a quoted value
		escape *strings.Replacer
	}{
		"bash":       {"export %s='%s'\n", strings.NewReplacer(`'`, `'\''`)},
		"fish":       {"set -gx %s '%s'\n", strings.NewReplacer(`\`, `\\`, `'`, `\'`)},
		"powershell": {"$env:%s = '%s'\n", strings.NewReplacer(`'`, `''`)},
	}[language]
	if !known {
		return "", fmt.Errorf("no script can be written for %q; there are those for %s", shell, strings.Join(Shells(), ", "))
	}
	var script strings.Builder
	for _, v := range vars {
		fmt.Fprintf(&script, form.line, v.Name, form.escape.Replace(v.Value))
	}
	return script.String(), nil
}
