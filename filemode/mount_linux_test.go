package filemode_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"sealcar/filemode"
)

// TestMain is also the process that the tests below start inside mounts of its
// own: it reads the files that are named on its command line.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "read" {
		_, asSecret := filemode.ReadSecret(os.Args[2], 100)
		_, trusted := filemode.ReadTrusted(os.Args[2], 100)
		fmt.Printf("secret %t trusted %t\n", asSecret == nil, trusted == nil)
		return
	}
	os.Exit(m.Run())
}

// TestT61_AReadOnlyMountDecides has real mounts, as Kubernetes makes them: a
// Secret is a tmpfs, mounted read-only, in which ..data is a link to the folder
// with the files, mode 0644.
func TestT61_AReadOnlyMountDecides(t *testing.T) {
	t.Parallel()
	const tmpfs, disk = `mount -t tmpfs -o size=64k none "$1"`, `:`
	const readOnly, writable = `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"`, `:`
	tests := []struct {
		name, mount, remount, mode, want string
	}{
		{"a Kubernetes Secret", tmpfs, readOnly, "0644", "secret true trusted true"},
		{"a Docker secret", tmpfs, readOnly, "0444", "secret true trusted true"},
		{"read-only memory that says 0777", tmpfs, readOnly, "0777", "secret true trusted true"},
		{"memory that can be written, such as /dev/shm", tmpfs, writable, "0644", "secret false trusted true"},
		{"memory that can be written by everybody", tmpfs, writable, "0666", "secret false trusted false"},
		{"a read-only disk", disk, readOnly, "0644", "secret false trusted true"},
		{"a read-only disk that says 0777", disk, readOnly, "0777", "secret false trusted true"},
		{"a read-only disk with the group's write bit", disk, readOnly, "0660", "secret true trusted true"},
		{"a disk", disk, writable, "0600", "secret true trusted true"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), "sh", "-c", `set -e
`+test.mount+`
mkdir "$1/..2026"; echo canary > "$1/..2026/key"; chmod "$2" "$1/..2026/key"
ln -s ..2026 "$1/..data"; ln -s ..data/key "$1/key"
`+test.remount+`
exec "$3" read "$1/key"`, "sh", dir, test.mode, os.Args[0])
			cmd.SysProcAttr = inMountsOfItsOwn()
			out, err := cmd.CombinedOutput()
			if err != nil && strings.Contains(err.Error()+string(out), "not permitted") {
				t.Skip("this machine lets this user make no mounts: " + err.Error())
			}
			if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*")); test.mount == tmpfs && len(left) > 0 {
				t.Errorf("the mount was not the test's own: %v", left)
			}
		})
	}
}

// inMountsOfItsOwn lets a process make mounts that nobody else sees: in a
// namespace of users too, where that is not for everybody.
func inMountsOfItsOwn() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return attr
}
