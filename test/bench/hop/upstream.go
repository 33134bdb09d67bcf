package main

import (
	"crypto/ecdh"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sealcar/crypto/ark"
)

// The headers by which a request says what it wants to be answered.
const (
	headerReply  = "X-Bench-Reply"  // bytes of content, in the whole reply or in each event
	headerEvents = "X-Bench-Events" // how many; absent or 0 is a reply in one piece
	headerGap    = "X-Bench-Gap"    // between two events, a Go duration
)

// chatPath is sealed by sealcar, clearPath passes in clear (its route's
// unsafe_plaintext_paths): the upstream answers both alike.
const (
	chatPath  = "/api/v3/chat/completions"
	clearPath = "/api/v3/bench/chat"
)

// upstream is an API server that costs as little as it can.
type upstream struct{ key *ecdh.PrivateKey }

// ServeHTTP answers a chat.
func (u upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // whoever sent half a body is gone
	}
	bytes, _ := strconv.Atoi(r.Header.Get(headerReply)) // absent is none
	text := strings.Repeat("a", bytes)
	say := func(to []byte) []byte { return append(to, text...) }
	if token := r.Header.Get(ark.HeaderSessionToken); token != "" {
		session, err := ark.AcceptSession(u.key, token)
		if err != nil {
			http.Error(w, "not a session token", http.StatusBadRequest)
			return
		}
		say = func(to []byte) []byte { return session.Seal(to, []byte(text)) }
	}
	if events, _ := strconv.Atoi(r.Header.Get(headerEvents)); events > 0 {
		gap, _ := time.ParseDuration(r.Header.Get(headerGap)) // absent is none
		stream(r, w, say, events, gap)
		return
	}
	reply := say([]byte(`{"id":"c-1","object":"chat.completion","created":1,"model":"ep-1","choices":[{"index":0,"message":{"role":"assistant","content":"`))
	reply = append(reply, `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`...)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(reply)))
	_, _ = w.Write(reply) // its failure is the reader's to see
}

// stream sends events whose ids are the time at which they were made, in
// nanoseconds since 1970: ids are in clear, so that who does not open the content
// can read them too.
func stream(r *http.Request, w http.ResponseWriter, say func([]byte) []byte, events int, gap time.Duration) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	var event []byte
	for range events {
		event = append(event[:0], `data: {"id":"`...)
		event = strconv.AppendInt(event, time.Now().UnixNano(), 10)
		event = append(event, `","object":"chat.completion.chunk","created":1,"model":"ep-1","choices":[{"index":0,"delta":{"content":"`...)
		event = say(event)
		event = append(event, "\"},\"finish_reason\":null}]}\n\n"...)
		if _, err := w.Write(event); err != nil || out.Flush() != nil {
			return // the reader is gone
		}
		select {
		case <-time.After(gap):
		case <-r.Context().Done():
			return
		}
	}
	_, _ = io.WriteString(w, `data: {"object":"chat.completion.chunk","created":1,"model":"ep-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
}
