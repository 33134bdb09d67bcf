package responses_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/test/dialectrig"
	"sealcar/translate/responses"
)

const (
	turn     = `{"model":"m","input":"one"}`
	answered = `{"role":"assistant","content":"two","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}`
)

// asking sends a request of somebody, and gives the chat that it became.
func asking(t *testing.T, r *responses.References, key, client, body, replyKind, reply string) (chat string, err error) {
	t.Helper()
	c := dialectrig.Answering(replyKind, reply)
	way := &responses.Transport{Settings: c.Settings(), References: r}
	req := post(exchange.With(t.Context(), &exchange.Record{Client: client}), t, body)
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := way.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return c.Sent, err
}

// referring has the key refer to items, each by its id.
func referring(t *testing.T, r *responses.References, key, client string, ids ...string) (chat string, err error) {
	t.Helper()
	items := `{"role":"user","content":"one"}`
	for _, id := range ids {
		items += `,{"type":"item_reference","id":"` + id + `"}`
	}
	return asking(t, r, key, client, `{"model":"m","input":[`+items+`]}`, "application/json", whole)
}

func unknown(t *testing.T, err error, param string) {
	t.Helper()
	e, ok := errors.AsType[*apierror.Error](err)
	if !ok || e.Status != http.StatusBadRequest || e.Code != "reference_unknown" || e.Param != param || !strings.Contains(e.Message, param) || !strings.Contains(e.Message, "store") {
		t.Errorf("got %v, want reference_unknown for %s", err, param)
	}
}

func memory(t *testing.T) *responses.References {
	t.Helper()
	r := &responses.References{Items: 10, Bytes: 10_000, For: time.Hour}
	t.Cleanup(r.Close)
	return r
}

func TestWhatWasSaidCanBeReferredTo(t *testing.T) {
	t.Parallel()
	const want = `{"model":"m","messages":[{"role":"user","content":"one"},{"role":"assistant","content":"two","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`
	stream := chunk(`{"content":"t"}`, "null") + chunk(`{"content":"wo"}`, "null") +
		chunk(`{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}]}`, "null") +
		chunk(`{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`, "null") + streamEnd()
	for name, reply := range map[string]struct{ request, kind, body string }{
		"whole":    {turn, "application/json", completionOf(answered, `"tool_calls"`)},
		"streamed": {`{"model":"m","input":"one","stream":true}`, "text/event-stream", stream},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := memory(t)
			if _, err := asking(t, r, "k", "", reply.request, reply.kind, reply.body); err != nil {
				t.Fatal(err)
			}
			if chat, err := referring(t, r, "k", "", "rs_of_what_was_thought", "msg_1_0", "fc_1_1"); err != nil || strings.TrimSpace(chat) != want {
				t.Errorf("%v\n got %s\nwant %s", err, chat, want)
			}
		})
	}
}

func TestNobodyElseCanReferToAnItem(t *testing.T) {
	t.Parallel()
	r := memory(t)
	if _, err := asking(t, r, "k", "app", turn, "application/json", whole); err != nil {
		t.Fatal(err)
	}
	for _, other := range []struct{ key, client, id string }{{"other", "app", "msg_1_0"}, {"k", "other", "msg_1_0"}, {"k", "app", "msg_2_0"}, {"", "kapp", "msg_1_0"}} {
		_, err := referring(t, r, other.key, other.client, other.id)
		unknown(t, err, "input[1].id")
	}
	if _, err := referring(t, r, "k", "app", "msg_1_0"); err != nil {
		t.Errorf("its owner: %v", err)
	}
}

func TestWhatIsNotRemembered(t *testing.T) {
	t.Parallel()
	long := completionOf(`{"content":"`+strings.Repeat("x", 11_000)+`"}`, `"stop"`)
	for name, test := range map[string]struct {
		references    *responses.References
		request, body string
	}{
		"nobody remembers":          {nil, turn, whole},
		"nothing is to be":          {&responses.References{Bytes: 10_000, For: time.Hour}, turn, whole},
		"the application says so":   {memory(t), `{"model":"m","input":"one","store":false}`, whole},
		"longer than there is room": {memory(t), turn, long},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := asking(t, test.references, "k", "", test.request, "application/json", test.body); err != nil {
				t.Fatal(err)
			}
			_, err := referring(t, test.references, "k", "", "msg_1_0")
			unknown(t, err, "input[1].id")
		})
	}
}

// says has the model say a text under an id.
func says(t *testing.T, r *responses.References, id, text string) {
	t.Helper()
	body := strings.Replace(completionOf(`{"content":"`+text+`"}`, `"stop"`), "chatcmpl-1", "chatcmpl-"+id, 1)
	if _, err := asking(t, r, "k", "", turn, "application/json", body); err != nil {
		t.Fatal(err)
	}
}

func TestTheLongestUnusedItemGoesFirst(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*responses.References{
		"by number": {Items: 2, Bytes: 1 << 20, For: time.Hour},
		"by bytes":  {Items: 100, Bytes: 3000, For: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(r.Close)
			text := strings.Repeat("x", 1000)
			says(t, r, "a", text)
			says(t, r, "b", text)
			if _, err := referring(t, r, "k", "", "msg_a_0"); err != nil { // which is a use, and has an answer of its own
				t.Fatal(err)
			}
			says(t, r, "c", text)
			_, err := referring(t, r, "k", "", "msg_b_0")
			unknown(t, err, "input[1].id")
		})
	}
}

func TestItemsAreForgottenInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &responses.References{Items: 10, Bytes: 10_000, For: time.Hour}
		says(t, r, "a", "early")
		time.Sleep(40 * time.Minute)
		says(t, r, "b", "late")
		time.Sleep(21 * time.Minute)
		_, err := referring(t, r, "k", "", "msg_a_0")
		unknown(t, err, "input[1].id")
		if _, err := referring(t, r, "k", "", "msg_b_0"); err != nil {
			t.Errorf("in time: %v", err)
		}
		r.Close()
		_, err = referring(t, r, "k", "", "msg_b_0")
		unknown(t, err, "input[1].id")
		says(t, r, "c", "too late")
		if n := r.Remembered(); n != 0 {
			t.Errorf("%d items are remembered after the end", n)
		}
	})
}
