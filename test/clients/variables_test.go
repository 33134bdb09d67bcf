package clients_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A variable that the page tells users to set has to be read by the client, not
// by the programs here: an application would go around its sidecar, in clear.
func TestProgramsReadNoVariableOfThePage(t *testing.T) {
	t.Parallel()
	exported := regexp.MustCompile(`(?m)^export (\w+)=`).FindAllStringSubmatch(read(t, pageFile), -1)
	if len(exported) == 0 {
		t.Fatal("the page has no variables")
	}
	for _, name := range exported {
		if name[1] == ownBase {
			t.Errorf("the page has %s, which no client reads", ownBase)
		}
	}
	for _, dir := range []string{"go", "java", "node/matrix", "python/matrix"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			program, err := os.ReadFile(path) // #nosec G304 -- a file of the source tree
			for _, name := range exported {
				if strings.Contains(string(program), `"`+name[1]+`"`) || strings.Contains(string(program), "process.env."+name[1]) {
					t.Errorf("%s reads %s itself, so nothing is shown of the client", path, name[1])
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}
