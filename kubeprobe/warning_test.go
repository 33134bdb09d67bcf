package kubeprobe_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"sealcar/kubeprobe"
)

// clock is moved by the test.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// kubelet probes as Kubernetes does (pkg/probe/http/http.go): it follows redirects
// within the host alone, takes what is left of them for a warning, and every other
// answer from 200 to 399 for a success.
func kubelet(t *testing.T, server string) (status int, warning string) {
	t.Helper()
	client := &http.Client{CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if req.URL.Hostname() != via[0].URL.Hostname() {
			return http.ErrUseLastResponse
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body := make([]byte, 2048)
	n, _ := resp.Body.Read(body)
	if resp.StatusCode >= http.StatusMultipleChoices && resp.StatusCode < http.StatusBadRequest {
		warning = string(body[:n])
	}
	return resp.StatusCode, warning
}

func TestAProblemIsToldInTime(t *testing.T) {
	t.Parallel()
	now := &clock{time.Unix(1e9, 0)}
	w := &kubeprobe.Warning{Now: now.Now}
	problem := ""
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		if !w.Answer(rw, problem) {
			_, _ = rw.Write([]byte("ready"))
		}
	}))
	t.Cleanup(server.Close)
	for _, step := range []struct {
		after   time.Duration
		problem string
		told    bool
	}{
		{0, "", false},
		{time.Hour, "wrong", true}, // by the first probe after it
		{5 * time.Second, "wrong", true},
		{9 * time.Second, "wrong", true},
		{time.Second, "wrong", false},
		{14 * time.Minute, "wrong", false},
		{45 * time.Second, "wrong", true}, // again
		{time.Minute, "wrong", false},
		{0, "also wrong", true}, // another
		{time.Minute, "also wrong", false},
		{0, "", false},
		{0, "also wrong", true}, // anew
	} {
		now.now = now.now.Add(step.after)
		problem = step.problem
		status, warning := kubelet(t, server.URL)
		want := http.StatusOK
		if step.told {
			want = http.StatusFound
		}
		if status != want || (warning == problem) != (step.told || problem == "") {
			t.Errorf("%+v: %d, told %q", step, status, warning)
		}
	}
}

// Whoever else may ask takes no Event away.
func TestManyProbesHearTheSame(t *testing.T) {
	t.Parallel()
	now := &clock{time.Unix(1e9, 0)}
	w := &kubeprobe.Warning{Now: now.Now}
	for range 100 {
		if !w.Answer(httptest.NewRecorder(), "wrong") {
			t.Fatal("not told")
		}
	}
}

func TestWhatIsTold(t *testing.T) {
	t.Parallel()
	for problem, want := range map[string]string{
		"two\nlines \tof it":       "two lines of it",
		strings.Repeat("x", 512):   strings.Repeat("x", 512),
		strings.Repeat("x", 513):   strings.Repeat("x", 509) + "…",
		strings.Repeat("é", 10000): strings.Repeat("é", 254) + "…",
	} {
		w := &kubeprobe.Warning{Now: time.Now}
		reply := httptest.NewRecorder()
		if !w.Answer(reply, problem) {
			t.Fatal("not told")
		}
		got := reply.Body.String()
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%.20q: %q", problem, got)
		}
		to, err := url.Parse(reply.Header().Get("Location"))
		if err != nil || !strings.HasSuffix(to.Hostname(), ".invalid") {
			t.Errorf("it leads to %v, %v", to, err)
		}
	}
}
