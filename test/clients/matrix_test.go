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
	found := &results{passed: map[trial]bool{}, details: map[string]detail{}}
	t.Cleanup(func() { found.check(t) }) // after the last row
	echo := startEnclave(t, "--accept-plaintext")
	t.Run("beside a chat", func(t *testing.T) {
		t.Parallel()
		tryDetails(t, echo, found)
	})
	for _, part := range tables() {
		for _, c := range part.clients {
			t.Run(part.title+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				r := startRow(t, part, c, echo)
				for _, w := range c.ways {
					if w.instead == "" {
						t.Run(w.name, func(t *testing.T) { r.try(t, w, found) }) //nolint:paralleltest // the ways share the backend's counts
					}
				}
			})
		}
	}
}

// row is a client with the ends that it talks to.
type row struct {
	client

	table     string
	setup     setup
	command   []string
	scenarios []scenario // those that the client has
	backend   *backend
	sealing   *endpoint
	side      *sidecar

	want  []seen         // of each scenario, without a sidecar
	tries map[string]int // requests that the backend got, by model
}

func startRow(t *testing.T, part table, c client, echo *endpoint) *row {
	t.Helper()
	command := c.command(t)
	b := startBackend(t, echo)
	sealing := startEnclave(t, "--backend", b.url, "--misbehave", "certificate-500-for="+downModel)
	r := &row{
		client: c, table: part.title, setup: part.setup,
		command: command, backend: b, sealing: sealing, side: startSidecarAs(t, sealing, part.setup),
	}
	for _, s := range scenarios() {
		if _, lacks := c.without[s.name]; !lacks {
			r.scenarios = append(r.scenarios, s)
		}
	}
	env := sealing.application(t, b.url, c.env)
	maps.Copy(env, c.direct)
	r.want = r.run(t, command, env, nil)
	taken := b.take()
	if r.tries = taken.tries; taken.early > 0 && !c.impatient {
		t.Errorf("without a sidecar, %d requests came before the Retry-After of a 429 was over", taken.early)
	}
	for i, s := range r.scenarios {
		if r.want[i].Model != "" {
			r.want[i].Model = c.asks(r.want[i].Model)
		}
		if failed := r.want[i].Error != nil; failed != s.fails && s.name != "refusal" { // which is the sidecar's own
			t.Fatalf("%s, without a sidecar: %v", s.name, r.want[i])
		}
	}
	return r
}

// asks is what the client calls a model.
func (c client) asks(model string) string { return cmp.Or(c.names[model], model) }

// run has the program do every scenario with models by their names.
func (r *row) run(t *testing.T, command []string, env, names map[string]string) []seen {
	t.Helper()
	var tasks []task
	for _, s := range r.scenarios {
		tasks = append(tasks, s.task(cmp.Or(names[s.model()], s.model())))
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
	early     int // requests that came before a Retry-After was over; 0 of a client that never looks at it
}

// try fills the cells of one way.
func (r *row) try(t *testing.T, w way, found *results) {
	t.Helper()
	p := places{proxy: r.side.proxy, host: r.setup.routed(), ca: r.side.ca, token: clientToken, roots: r.side.roots(t, r.sealing, w)}
	env := r.sealing.application(t, "", r.env)
	maps.Copy(env, w.environment(p))
	command := r.command
	if w.exec != nil {
		command = slices.Concat([]string{built.sealcar}, w.exec, []string{"--config", r.side.config, "--"}, command)
	}
	got := r.run(t, command, env, r.names)
	taken := r.backend.take()
	if r.impatient {
		taken.early = 0
	}
	if w.exec == nil {
		r.checkLog(t, w, taken.tries)
	}
	for i, s := range r.scenarios {
		c := cell{got: got[i], want: r.want[i], tries: taken.tries[s.model()], untouched: r.tries[s.model()], gone: taken.gone, early: taken.early}
		if t.Run(s.name, func(t *testing.T) { s.try(t, c) }) { //nolint:paralleltest // it only looks at what is there
			found.add(trial{r.table, r.name, w.name, s.name})
		}
	}
}

// checkLog: everything came in by the way's door, which no other way of the row
// has, and was sealed. What the sidecar refused was not tried again, and what it
// was not ready for as often as without a sidecar.
func (r *row) checkLog(t *testing.T, w way, tries map[string]int) {
	t.Helper()
	requests := 0
	for _, n := range tries {
		requests += n
	}
	refused := map[any]int{"certificate_unavailable": r.tries[downModel]} // 0 without the scenario
	if _, lacks := r.without["refusal"]; !lacks {
		refused["invalid_model"] = 1
	}
	for _, n := range refused {
		requests += n
	}
	for _, entry := range r.side.Await(t, requests, "chats by "+w.door, func(entry map[string]any) bool {
		return entry["door"] == w.door && entry["endpoint"] == chatPath
	}) {
		if _, ours := refused[entry["code"]]; ours {
			refused[entry["code"]]--
		} else if treatment := entry["treatment"]; treatment != cmp.Or(r.treatment, "sealed") {
			t.Errorf("a chat was treated as %v, %v", treatment, entry["code"])
		}
	}
	for code, n := range refused {
		if n != 0 {
			t.Errorf("%d requests more than wanted ended in %s", -n, code)
		}
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

// busy: the application sees the model server's 429, waits as it says, and tries
// as often as without a sidecar.
func busy(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error == nil || c.got.Error.Status != c.want.Error.Status || !strings.Contains(c.got.Error.Message, "come back later") {
		t.Errorf("got %v, want the backend's message, as in %v", c.got, c.want)
	}
	if c.tries != c.untouched {
		t.Errorf("the backend got %d requests, %d without a sidecar", c.tries, c.untouched)
	}
	if c.early > 0 {
		t.Errorf("%d requests came before the Retry-After was over", c.early)
	}
}

// unavailable: the application sees the sidecar's own words, and what status it
// has. How often it tried is in the log.
func unavailable(t *testing.T, c cell) {
	t.Helper()
	if c.got.Error == nil || c.got.Error.Status != c.want.Error.Status || !strings.Contains(c.got.Error.Message, "sealcar could not get the certificate") {
		t.Errorf("got %v, want the sidecar's words, as in %v", c.got, c.want)
	}
	if c.tries != 0 {
		t.Errorf("%d requests reached the backend without a certificate", c.tries)
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
