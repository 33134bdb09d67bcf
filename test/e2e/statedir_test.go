package e2e_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sealcar/test/process"
)

// TestAStateDirThatIsAnybodysIsUsedSafely has what Kubernetes gives: an emptyDir
// is everybody's to write.
func TestAStateDirThatIsAnybodysIsUsedSafely(t *testing.T) {
	t.Parallel()
	e := startEnclave(t)
	e.dir = t.TempDir()
	e.config = filepath.Join(e.dir, "sealcar.yaml")
	state := filepath.Join(e.dir, "state")
	for _, err := range []error{os.Mkdir(state, 0o700), os.Chmod(state, 0o777)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	e.writeConfig(t, "", "{source: api-key, roots: ROOTS}")
	e.sidecar = process.StartCommand(t, openHanded(t, "run", "--config", e.config))
	e.addr, _ = e.sidecar.AwaitKey(t, "listen")["listen"].(string)
	if status, body := e.send(t, chat(false, "hello")); status != http.StatusOK {
		t.Fatal(status, body)
	}
	private := 0
	err := filepath.WalkDir(state, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == state {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode()
		if mode.Perm()&0o022 != 0 || mode&os.ModeSymlink != 0 {
			t.Errorf("%s is %v", path, mode)
		}
		if secret := strings.Contains(path, "/certificates") || strings.HasSuffix(path, ".key"); secret {
			private++
			if mode.Perm()&0o077 != 0 {
				t.Errorf("%s is %v, want it for nobody else", path, mode)
			}
		}
		return nil
	})
	if err != nil || private < 3 {
		t.Errorf("%d private files and directories, %v", private, err)
	}
}

// openHanded runs sealcar with a umask that takes nothing away.
func openHanded(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "sh", append([]string{"-c", `umask 0 && exec "$@"`, "sh", sealcar}, args...)...)
	cmd.Env = process.Environment(t, nil)
	return cmd
}
