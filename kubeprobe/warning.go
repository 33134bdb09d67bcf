package kubeprobe

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Query is the query in the path of a probe that is answered by a Warning. A kubelet
// sends it as it stands (Kubernetes 1.29 to 1.36: pkg/probe/http/request.go,
// formatURL), and an image that is older than its chart ignores it, where it would
// have no page of another name and never be ready.
const Query = "kubelet"

// A problem is told for telling, and again after each interval. Event by Event a
// kubelet lets 25 through for a pod and then one in five minutes (client-go
// tools/record, EventSourceObjectSpamFilter), and one wrong ConfigMap can be that of a
// thousand pods. An Event is kept for an hour by default. A kubelet hears of it only
// if it probes more often than every 15 s.
const (
	telling  = 15 * time.Second
	interval = 15 * time.Minute
)

// maxText bounds what is told, in bytes. An Event takes 1024, and the kubelet puts
// words of its own before it (k8s.io/api/events/v1, Event.Note).
const maxText = 512

// nowhere is what a kubelet does not follow: a name that is no host's (RFC 2606).
const nowhere = "http://see-the-event.invalid/"

// Warning answers the probes of one container. It tells by the clock and not by the
// number of probes, so that nobody who asks too keeps the kubelet from hearing it.
// Safe for concurrent use.
type Warning struct {
	Now func() time.Time // required

	mu    sync.Mutex
	text  string    // of the problem at the last probe; "" for none
	since time.Time // when it was first met
}

// Answer answers a probe that succeeds in such a way that the kubelet records an
// Event with the problem, if that is to be told now. If not, or if the problem is "",
// it answers nothing and gives false.
func (w *Warning) Answer(reply http.ResponseWriter, problem string) bool {
	if !w.due(problem) {
		return false
	}
	reply.Header().Set("Location", nowhere)
	reply.Header().Set("Content-Type", "text/plain; charset=utf-8")
	reply.WriteHeader(http.StatusFound)
	_, _ = io.WriteString(reply, line(problem)) // a prober that is gone needs no answer
	return true
}

func (w *Warning) due(problem string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	if problem != w.text {
		w.text, w.since = problem, now
	}
	return problem != "" && now.Sub(w.since)%interval < telling
}

// line makes one line of a text, of at most maxText bytes.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxText {
		return text
	}
	const more = "…"
	end := maxText - len(more)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + more
}
