package config_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/config"
)

var update = flag.Bool("update", false, "write what is said of each broken file, to be read before it is committed")

// Each testdata/broken/NAME.yaml is refused with exactly the text of NAME.txt.
// DIR stands for the directory.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("testdata/broken")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) < 70 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			said := strings.TrimSuffix(file, ".yaml") + ".txt"
			c, err := config.Load(config.Source{Path: file, Environ: []string{"HOME=/home/user"}})
			if err == nil {
				t.Fatal("accepted")
			}
			if c != nil {
				t.Error("a configuration came with the error")
			}
			got := strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
			if *update {
				if err := os.WriteFile(said, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(said)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(got, "canary") {
				t.Error("the message shows a secret")
			}
		})
	}
}
