package ark_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"sealcar/crypto/ark"
	"sealcar/payload"
)

func TestT84_AnEventThatFindsNoRoomEndsTheStream(t *testing.T) {
	t.Parallel()
	const good = "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n"
	e := newEndpoint(t)
	up := newRecorder(t, e.sealing(t, "text/event-stream", good+"data: "+strings.Repeat("x", 100<<10)+"\n\n", "first"))
	budget := payload.NewBudget(256 << 10)
	req, _ := post(t, up.URL, chatPath, `{"model":"m","stream":true,"messages":[]}`)
	_, body, err := roundTrip(budget.Within(&ark.Transport{Base: up.Client().Transport, Certificates: e}), req)
	wantCode(t, err, 503, "buffers_full", "")
	if !strings.Contains(body, `"first"`) || !strings.Contains(body, `"code":"buffers_full"`) {
		t.Errorf("the app got %s", body)
	}
	if used := budget.Used(); used != 0 {
		t.Errorf("%d bytes are still taken", used)
	}
}

func TestT84_TheEnclaveKeepsToItsBudget(t *testing.T) {
	t.Parallel()
	const good = "data: {\"choices\":[{\"delta\":{\"content\":\"first\"}}]}\n\n"
	for name, test := range map[string]struct {
		content string // of the request
		event   string // a second event of the backend's
		status  int
		whole   bool
	}{
		"what fits":                    {content: "short", status: http.StatusOK, whole: true},
		"a request that never fits":    {content: strings.Repeat("x", 100<<10), status: http.StatusRequestEntityTooLarge},
		"an event that finds no place": {content: "short", event: strings.Replace(good, "first", strings.Repeat("x", 100<<10), 1), status: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			budget := payload.NewBudget(256 << 10)
			e := newEnds(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, good+test.event+"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
			}), func(h *ark.Handler) { h.Budget = budget })
			req, _ := post(t, e.base, chatPath, `{"model":"m","stream":true,"messages":[{"role":"user","content":"`+test.content+`"}]}`)
			status, body, err := roundTrip(e.client, req)
			if status != test.status || strings.Contains(body, "data: [DONE]") != test.whole {
				t.Errorf("got %d, %s, %v", status, body, err)
			}
			if used := budget.Used(); used != 0 {
				t.Errorf("%d bytes are still taken", used)
			}
		})
	}
}
