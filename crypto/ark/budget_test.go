package ark_test

import (
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
