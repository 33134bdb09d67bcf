package clients_test

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestMatrix has every client do every scenario by every way to the sidecar, and
// compares with the same client talking to the model server directly. The
// recorder between the sidecar and the enclave fails a row whose content crossed
// in clear, in any form.
func TestMatrix(t *testing.T) {
	t.Parallel()
	found := &results{passed: map[string]int{}}
	t.Cleanup(func() { found.check(t) }) // after the last row
	echo := startEnclave(t, "--accept-plaintext")
	for _, c := range clients() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			command := c.command(t)
			r := startRow(t, c, command, echo)
			for _, w := range c.ways {
				if w.instead == "" {
					t.Run(w.name, func(t *testing.T) { r.try(t, w, found) }) //nolint:paralleltest // the ways share the backend's counts
				}
			}
		})
	}
}

// row is a client with the ends that it talks to.
type row struct {
	client

	command   []string
	scenarios []scenario // those that the client has
	backend   *backend
	sealing   *endpoint
	side      *sidecar

	want  []seen         // of each scenario, without a sidecar
	tries map[string]int // requests that the backend got, by model
}

func startRow(t *testing.T, c client, command []string, echo *endpoint) *row {
	t.Helper()
	b := startBackend(t, echo)
	sealing := startEnclave(t, "--backend", b.url)
	r := &row{client: c, command: command, backend: b, sealing: sealing, side: startSidecar(t, sealing, "strict: true", "move_tools: true")}
	for _, s := range scenarios() {
		if _, lacks := c.without[s.name]; !lacks {
			r.scenarios = append(r.scenarios, s)
		}
	}
	env := sealing.application(t, b.url, c.env)
	maps.Copy(env, c.direct)
	r.want = r.run(t, command, env)
	r.tries, _ = b.take()
	for i, s := range r.scenarios {
		if failed := r.want[i].Error != nil; failed != s.fails && s.name != "refusal" { // which is the sidecar's own
			t.Fatalf("%s, without a sidecar: %v", s.name, r.want[i])
		}
	}
	return r
}

// run has the program do every scenario.
func (r *row) run(t *testing.T, command []string, env map[string]string) []seen {
	t.Helper()
	var tasks []task
	for _, s := range r.scenarios {
		tasks = append(tasks, s.task())
	}
	var got []seen
	output(t, command, env, tasks, &got)
	if len(got) != len(tasks) {
		t.Fatalf("%d answers, want %d", len(got), len(tasks))
	}
	return got
}

// cell is one scenario by one way.
type cell struct {
	got, want seen
	tries     int // requests that the backend got
	untouched int // the same without a sidecar
	gone      int // streams that the backend saw given up
}

// try fills the cells of one way.
func (r *row) try(t *testing.T, w way, found *results) {
	t.Helper()
	p := places{proxy: r.side.proxy, host: arkHost, ca: r.side.ca}
	env := r.sealing.application(t, "", r.env)
	maps.Copy(env, w.environment(p))
	command := r.command
	if w.exec != nil {
		command = slices.Concat([]string{built.sealcar}, w.exec, []string{"--config", r.side.config, "--"}, command)
	}
	got := r.run(t, command, env)
	tries, gone := r.backend.take()
	if w.exec == nil {
		r.checkLog(t, w, tries)
	}
	for i, s := range r.scenarios {
		c := cell{got: got[i], want: r.want[i], tries: tries[s.model()], untouched: r.tries[s.model()], gone: gone}
		if t.Run(s.name, func(t *testing.T) { s.try(t, c) }) { //nolint:paralleltest // it only looks at what is there
			found.add(r.name, w.name)
		}
	}
}

// checkLog: everything came in by the way's door, which no other way of the row
// has, and was sealed; what the sidecar refused was not tried again.
func (r *row) checkLog(t *testing.T, w way, tries map[string]int) {
	t.Helper()
	requests := 0
	for _, n := range tries {
		requests += n
	}
	refused := 1
	if _, lacks := r.without["refusal"]; lacks {
		refused = 0
	}
	for _, entry := range r.side.Await(t, requests+refused, "chats by "+w.door, func(entry map[string]any) bool {
		return entry["door"] == w.door && entry["endpoint"] == chatPath
	}) {
		switch treatment := entry["treatment"]; {
		case entry["code"] == "invalid_model":
			refused--
		case treatment != cmp.Or(r.treatment, "sealed"):
			t.Errorf("a chat was treated as %v", treatment)
		}
	}
	if refused != 0 {
		t.Errorf("of the refused request there were %d more than one", -refused)
	}
}

// same: the application sees what it sees without a sidecar.
func same(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error != nil || !reflect.DeepEqual(c.got, c.want) {
		t.Errorf("\n got %v\nwant %v", c.got, c.want)
	}
}

// sameCalls is same for tools, which travel inside the content: tokens and pieces
// are others.
func sameCalls(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error != nil || !reflect.DeepEqual(c.got.Choices, c.want.Choices) {
		t.Errorf("\n got %v\nwant %v", c.got, c.want)
	}
}

// cancelled: the model server learns that the application has given the stream
// up.
func cancelled(t *testing.T, c cell) {
	t.Helper()
	same(t, c)
	if c.gone != 1 {
		t.Errorf("the backend saw %d streams given up, want 1", c.gone)
	}
}

// busy: the application sees the model server's 429, and tries as often as
// without a sidecar.
func busy(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error == nil || c.got.Error.Status != c.want.Error.Status || !strings.Contains(c.got.Error.Message, "come back later") {
		t.Errorf("got %v, want the backend's message, as in %v", c.got, c.want)
	}
	if c.tries != c.untouched {
		t.Errorf("the backend got %d requests, %d without a sidecar", c.tries, c.untouched)
	}
}

// refused: the application sees the sidecar's own words.
func refused(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error == nil || !strings.Contains(c.got.Error.Message, "must be one word of at most") {
		t.Errorf("got %v, want the sidecar's refusal", c.got)
	}
	if c.tries != 0 {
		t.Errorf("%d refused requests reached the backend", c.tries)
	}
}

// broken: a stream that breaks off is an error.
func broken(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error == nil {
		t.Errorf("the application took a cut stream for a whole one: %v", c.got)
	}
}
