package e2e_test

import (
	"strings"
	"testing"
)

// With it net/http would write each header, and so API keys, to standard error.
func TestT63_NothingStartsWithHTTP2DebugLogs(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"demo"}, {"check"}, {"exec", "--", "true"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := command(t, map[string]string{"GODEBUG": "http2debug=2", "SEALCAR_LISTEN": "127.0.0.1:0", "SEALCAR_ADMIN_LISTEN": ""}, args...)
			if status != 1 || !strings.Contains(stderr, "GODEBUG has http2debug") {
				t.Errorf("status %d\n%s%s", status, stdout, stderr)
			}
		})
	}
}
