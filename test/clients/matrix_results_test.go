package clients_test

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// trial is one scenario by one way of one client. As what to do in place of
// something else, "" means the first table, the same client, every way that the
// client has, every scenario that it has.
type trial struct{ table, client, way, scenario string }

// results are what a run of the matrix has found.
type results struct {
	mu      sync.Mutex
	passed  map[trial]bool
	details map[string]detail // by client
}

func (r *results) add(t trial) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed[t] = true
}

func (r *results) addDetail(client string, d detail) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.details[client] = d
}

// count is how many scenarios of a client went well by a way.
func (r *results) count(table, client, way string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for t := range r.passed {
		if t.table == table && t.client == client && t.way == way {
			n++
		}
	}
	return n
}

// cell is what the page says of a client by a way.
func (r *results) cell(part table, c client, name string) string {
	i := slices.IndexFunc(c.ways, func(w way) bool { return w.name == name })
	if i < 0 {
		return ""
	}
	if c.ways[i].instead != "" {
		return "no"
	}
	return fmt.Sprintf("%d of %d", r.count(part.title, c.name, name), len(scenarios())-len(c.without))
}

// checkAlternatives holds each line that tells what to do in place of something
// else against the run.
func (r *results) checkAlternatives(t *testing.T) {
	t.Helper()
	for _, part := range tables() {
		for _, c := range part.clients {
			for name, lack := range c.without {
				r.checkAlternative(t, c.name+", "+name, lack.tried)
			}
			for _, w := range c.ways {
				for _, tried := range w.tried {
					tried.client = cmp.Or(tried.client, c.name)
					r.checkAlternative(t, c.name+", "+w.name, tried)
				}
				if (w.instead != "") != (len(w.tried) > 0) {
					t.Errorf("%s, %s: what to do in its place is not tried", c.name, w.name)
				}
			}
		}
	}
}

func (r *results) checkAlternative(t *testing.T, of string, tried trial) {
	t.Helper()
	part := tables()[0]
	for _, other := range tables() {
		if other.title == tried.table {
			part = other
		}
	}
	i := slices.IndexFunc(part.clients, func(c client) bool { return c.name == tried.client })
	if i < 0 {
		t.Errorf("%s: there is no client %q to do it in its place", of, tried.client)
		return
	}
	c, found := part.clients[i], 0
	for _, w := range c.ways {
		if w.instead != "" || tried.way != "" && w.name != tried.way {
			continue
		}
		for _, s := range scenarios() {
			if _, lacks := c.without[s.name]; lacks || tried.scenario != "" && s.name != tried.scenario {
				continue
			}
			found++
			if !r.passed[trial{part.title, c.name, w.name, s.name}] {
				t.Errorf("%s: in its place, %s by %s did not do %s", of, c.name, w.name, s.name)
			}
		}
	}
	if found == 0 {
		t.Errorf("%s: nothing of %+v was tried in its place", of, tried)
	}
}
