package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/config"
)

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
			want, err := os.ReadFile(strings.TrimSuffix(file, ".yaml") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(config.Source{Path: file, Environ: []string{"HOME=/home/user"}})
			if err == nil {
				t.Fatal("accepted")
			}
			if c != nil {
				t.Error("a configuration came with the error")
			}
			if got := strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"; got != string(want) {
				t.Errorf("got:\n%swant:\n%s", got, want)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Error("the message shows a secret")
			}
		})
	}
}
