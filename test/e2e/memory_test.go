package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a sidecar in a container of 64 MiB sets for itself, and what it may
// really take: the kernel ends it at the latter.
const (
	softLimit = 64 << 20 * 9 / 10
	hardLimit = 64 << 20
)

// TestT84_ExhaustionIsSurvivedIn64MiB does T73 to T76 to one sidecar, all at
// once. Serial: it is about a whole machine's worth of connections.
func TestT84_ExhaustionIsSurvivedIn64MiB(t *testing.T) { //nolint:paralleltest // see above
	e := startIn(t, map[string]string{"GOMEMLIMIT": fmt.Sprint(softLimit)}, "timeouts: {read_header: 2s, read_body: 4s, stream_idle: 4s}", "", "--echo-delay", "5ms")
	e.sidecar.Await(t, 1, "its memory limit", func(entry map[string]any) bool { return entry["from"] == "GOMEMLIMIT" })
	outcomes := new(tally)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { outcomes.add("64 MiB", e.outcome(t, endlessBody{}, 64<<20+1)) })
		all.Go(func() { outcomes.add("no length", e.outcome(t, endlessBody{}, -1)) })
		all.Go(func() {
			outcomes.add("stream", e.outcome(t, strings.NewReader(chat(true, strings.Repeat("word ", 100))), 0))
		})
	}
	for range 5 {
		all.Go(func() { e.persist(t, outcomes, chat(false, strings.Repeat("x", 2<<20))) })
	}
	for range 50 {
		all.Go(func() { e.hang(t, "POST "+chatPath+" HTTP/1.1\r\nHost: x") })
		all.Go(func() {
			e.hang(t, "POST http://"+arkHost+chatPath+" HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n"+strings.Repeat("x", 100_000))
		})
		all.Go(func() { e.hang(t, e.streamed(strings.Repeat("word ", 2000))) }) // and reads nothing of it
	}
	for range 1000 {
		all.Go(func() { e.hang(t, "") })
	}
	all.Wait()
	t.Log(outcomes)
	for name, statuses := range map[string]string{"64 MiB": "413 503 closed", "no length": "413 503 closed", "2 MiB": "200 503 closed", "stream": "200 503 closed"} {
		for status := range outcomes.of(name) {
			if !strings.Contains(statuses, status) {
				t.Errorf("%s: %s", name, status)
			}
		}
	}
	if outcomes.of("2 MiB")["200"] != 5 {
		t.Error("not every chat of 2 MiB got through, tried again as it was told")
	}
	if status, body := e.send(t, chat(false, "hello")); status != http.StatusOK {
		t.Errorf("after it all: %d %s", status, body)
	}
	if peak := peakMemory(t, e.sidecar.PID()); peak > hardLimit {
		t.Errorf("%d KiB were resident, want at most %d", peak>>10, hardLimit>>10)
	} else {
		t.Logf("at most %d KiB were resident", peak>>10)
	}
}

// TestT84_ToolsThatMoveAreInsideThe64MiB sends what is largest in memory for its
// length: lists of many short functions and calls, and one long result.
func TestT84_ToolsThatMoveAreInsideThe64MiB(t *testing.T) { //nolint:paralleltest // as above
	e := startIn(t, map[string]string{"GOMEMLIMIT": fmt.Sprint(softLimit)}, "", "{source: api-key, roots: ROOTS}\n    move_tools: true")
	fill := func(head, element, tail string) string {
		return `{"model":"ep-1","messages":[` + head + strings.TrimSuffix(strings.Repeat(element, (3<<20)/len(element)), ",") + tail
	}
	for name, body := range map[string]string{
		"functions": fill(`{"role":"user","content":"x"}],"functions":[`, `{"name":"a"},`, `]}`),
		"calls":     fill(`{"role":"assistant","tool_calls":[`, `{"id":"c","function":{"name":"a"}},`, `]}]}`),
		"results":   fill(``, `{"role":"tool","content":""},`, `]}`),
		"parts":     fill(`{"role":"tool","content":[`, `{"type":"text","text":""},`, `]}]}`),
		"a result":  fill(`{"role":"tool","content":"`, `\"`, `"}]}`),
	} {
		if outcome := e.outcome(t, strings.NewReader(body), 0); outcome != "413" {
			t.Errorf("%s: %s, though there is room to read it and none to move it", name, outcome)
		}
	}
	if status, body := e.send(t, chat(false, "hello")); status != http.StatusOK {
		t.Errorf("after it all: %d %s", status, body)
	}
	if peak := peakMemory(t, e.sidecar.PID()); peak > hardLimit {
		t.Errorf("%d KiB were resident, want at most %d", peak>>10, hardLimit>>10)
	} else {
		t.Logf("at most %d KiB were resident", peak>>10)
	}
}

// outcome is the status that a body of the length gets, or closed.
func (e *ends) outcome(t *testing.T, body io.Reader, length int64) string {
	req := e.request(t, "")
	req.Body, req.GetBody = io.NopCloser(body), nil
	req.ContentLength = length
	resp, err := e.client(t).Do(req)
	if err != nil {
		return "closed" // the connection went while the body was on its way
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "broken"
	}
	return fmt.Sprint(resp.StatusCode)
}

// persist sends a large chat again, as it is told, until it gets through.
func (e *ends) persist(t *testing.T, outcomes *tally, body string) {
	for range 100 {
		outcome := e.outcome(t, strings.NewReader(body), 0)
		outcomes.add("2 MiB", outcome)
		if outcome == "200" {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// streamed is a streamed chat as it goes over a bare connection.
func (e *ends) streamed(message string) string {
	body := chat(true, message)
	return fmt.Sprintf("POST http://%s%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", arkHost, chatPath, e.key, len(body), body)
}

// hang sends text and then neither sends nor reads for a while.
func (e *ends) hang(t *testing.T, text string) {
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, text) // refused ones may be gone already
	time.Sleep(3 * time.Second)       // what is tried is that time passes
}

// endlessBody is as large as anybody reads.
type endlessBody struct{}

func (endlessBody) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// tally counts outcomes by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int
}

func (o *tally) add(name, outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = map[string]map[string]int{}
	}
	if o.counts[name] == nil {
		o.counts[name] = map[string]int{}
	}
	o.counts[name][outcome]++
}

func (o *tally) of(name string) map[string]int { return o.counts[name] }

func (o *tally) String() string { return fmt.Sprint(o.counts) }

// peakMemory is the most that was resident of a process, in bytes, without the
// pages of its own file: the kernel can drop those at any time.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	kib := map[string]int64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		var n int64
		if _, err := fmt.Sscan(value, &n); err == nil {
			kib[name] = n
		}
	}
	if kib["VmHWM"] == 0 {
		t.Fatal("the kernel does not tell")
	}
	return (kib["VmHWM"] - kib["RssFile"]) << 10
}
