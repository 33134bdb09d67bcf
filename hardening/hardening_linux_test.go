package hardening_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sealcar/hardening"
)

// TestMain is also the process that the test below starts: what is done to it
// lasts until it ends.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "harden" {
		report("before")
		fmt.Println(hardening.HideMemory(), hardening.DenyCores())
		report("after")
		return
	}
	os.Exit(m.Run())
}

// report says what the kernel knows of this process.
func report(when string) {
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var cores unix.Rlimit
	limitErr := unix.Getrlimit(unix.RLIMIT_CORE, &cores)
	fmt.Println(when, dumpable, err, cores.Max > 0, cores.Cur > 0, limitErr)
}

// TestT68_TheKernelKnows starts a process whose limit can be lowered; what others
// can do to the real binary then is in test/e2e.
func TestT68_TheKernelKnows(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -c 1 && exec "$1" harden`, "sh", os.Args[0]).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "before 1 <nil> true true <nil>\n<nil> <nil>\nafter 0 <nil> false false <nil>\n"
	if got := string(out); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
