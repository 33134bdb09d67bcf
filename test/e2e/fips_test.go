package e2e_test

import (
	"strings"
	"testing"
)

// In this mode Go refuses the protocol's nonce. Every command that would seal
// says so at once, and not with each request.
func TestUnderFIPSOnlyNothingStarts(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"run"}, {"demo"}, {"enclave", "--state", t.TempDir(), "--listen", "127.0.0.1:0"}, {"exec", "--", "true"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := command(t, map[string]string{"GODEBUG": "fips140=only", "SEALCAR_LISTEN": "127.0.0.1:0", "SEALCAR_ADMIN_LISTEN": ""}, args...)
			if status == 0 || !strings.Contains(stderr, "GODEBUG=fips140=on ") {
				t.Errorf("status %d\n%s%s", status, stdout, stderr)
			}
		})
	}
}

func TestUnderFIPSAChatGoesThrough(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := command(t, map[string]string{"GODEBUG": "fips140=on"}, "demo")
	if status != 0 || !strings.Contains(stdout, "is in none of the") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
}
