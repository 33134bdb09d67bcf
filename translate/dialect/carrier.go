package dialect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"sealcar/apierror"
	"sealcar/exchange"
	"sealcar/payload"
	"sealcar/rewrite"
)

// Translate makes the chat that a request becomes, and what turns its reply back.
// Faults of the request stay with the Object.
type Translate func(*Object) (*Chat, Reply)

// Reply turns the reply to one request back: a whole one by Document, a stream by
// Chunk for each chunk, then Done or Fail. Errors are faults of the reply.
type Reply interface {
	// Document is the reply to a request that did not ask for a stream.
	Document(c *Completion) ([]byte, error)
	// Chunk appends the events that a chunk of a stream becomes.
	Chunk(dst []byte, c *Completion) ([]byte, error)
	// Done appends the events that end a stream whose [DONE] has come.
	Done(dst []byte) ([]byte, error)
	// Fail appends the events that say that the stream has failed.
	Fail(dst []byte, f Fault) []byte
	// Kept is what is kept in memory, of the request and of a stream that has said
	// so many bytes, in bytes. The request is let go, so what is kept of it is a
	// copy.
	Kept(said int64) int64
}

// Settings are what the translations of all APIs are made with.
type Settings struct {
	Base     http.RoundTripper // seals chats and opens their replies, which it has read strictly; required
	BasePath string            // of the upstream's API: /api/v3
	SealedBy string            // the header of those who seal chats themselves, which nothing here can be; required

	MaxRequestBytes int64 // 0 means 64 MiB
	MaxReplyBytes   int64 // of a reply that is not a stream, and of what a stream says; 0 means 64 MiB
	MaxEventBytes   int   // of one event of a stream; 0 means 16 MiB
	MaxValues       int   // of a request's JSON; 0 means 1,000,000
}

const defaultMaxValues = 1_000_000

func (s Settings) maxValues() int {
	if s.MaxValues <= 0 {
		return defaultMaxValues
	}
	return s.MaxValues
}

func (s Settings) maxReplyBytes() int64 {
	if s.MaxReplyBytes <= 0 {
		return payload.DefaultLimit
	}
	return s.MaxReplyBytes
}

// Carrier carries the requests of one API as chats.
type Carrier struct {
	Settings

	Translate Translate
	Names     []Name // of the chat's members, where the API has others
	// Error writes an error of the upstream in the API's form; nil leaves it in
	// the chat's.
	Error func(status int, f Fault) []byte
}

// Carry carries a request. Nothing is sent but the chat that it becomes.
func (c Carrier) Carry(req *http.Request) (*http.Response, error) {
	record := exchange.From(req.Context())
	record.Endpoint, record.Treatment = req.URL.Path, exchange.Refused
	body, err := payload.Read(req, c.MaxRequestBytes, payload.SendLess)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := c.checkHeaders(req.Header); err != nil {
		return nil, err
	}
	var chat *Chat
	var reply Reply
	if err := Read(body, c.maxValues(), payload.WorkRoom(req.Context()), func(o *Object) { chat, reply = c.Translate(o) }); err != nil {
		return nil, err
	}
	out := req.Clone(req.Context())
	out.URL.Path, out.URL.RawPath = c.BasePath+"/chat/completions", ""
	text, stream, places := Encode(chat), chat.Stream, placesOf(chat)
	if err := payload.Hold(req.Context(), places.size()); err != nil {
		return nil, err
	}
	read := time.Since(start)
	resp, err := payload.Send(c.Base, out, text) // nothing above but the places is used from here on, so it takes no memory
	record.Seal += read
	if err != nil {
		return nil, places.inRequest(err, c.Names)
	}
	t := &turning{reply: reply, record: record, limit: c.maxReplyBytes(), keep: payload.KeepRoom(resp)}
	if err := c.turnBack(resp, stream, t); err != nil {
		_ = resp.Body.Close() // it is not passed on
		return nil, err
	}
	return resp, nil
}

// checkHeaders refuses what only the chat's own endpoint can take, and bodies
// that cannot be read.
func (s Settings) checkHeaders(h http.Header) error {
	if _, sealed := h[s.SealedBy]; sealed {
		return apierror.BadRequest("invalid_session_token", s.SealedBy, "nothing was sent, for this endpoint is translated before it is sealed, so it takes no session token ("+s.SealedBy+")")
	}
	if e := h.Values("Content-Encoding"); len(e) > 1 || len(e) == 1 && !strings.EqualFold(e[0], "identity") {
		return apierror.BadRequest("unsupported_content_encoding", "Content-Encoding", "nothing was sent, for a compressed request cannot be translated: send it without Content-Encoding")
	}
	return nil
}

// turnBack gives resp the body that the application expects.
func (c Carrier) turnBack(resp *http.Response, stream bool, t *turning) error {
	limits := payload.Limits{Reply: c.MaxReplyBytes, Event: c.MaxEventBytes}.Opened()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.Refusal(resp)
	}
	if err := t.keep(t.reply.Kept(0)); err != nil {
		return err
	}
	switch kind := payload.MediaType(resp.Header); {
	case kind == "text/event-stream" && stream:
		payload.Events(resp, rewrite.EventConfig{Limit: limits.Event, Replace: t.event, End: t.end})
		return nil
	case kind == "application/json" && !stream:
		return payload.Replace(resp, limits.Reply, func(doc []byte) ([]byte, error) {
			out, err := t.document(doc)
			if t.failed { // which a status of 2xx would hide
				resp.StatusCode, resp.Status = http.StatusBadGateway, ""
				return c.failure(resp, doc), nil
			}
			return out, err
		})
	default:
		return apierror.BadReply("reply_unreadable", fmt.Sprintf("the upstream answered with Content-Type %.60q to a request with stream %t", resp.Header.Get("Content-Type"), stream), nil)
	}
}

// Refusal gives resp, an error of the upstream, the API's form.
func (c Carrier) Refusal(resp *http.Response) error {
	if c.Error == nil {
		return nil
	}
	limits := payload.Limits{Reply: c.MaxReplyBytes}.Opened()
	return payload.Replace(resp, limits.Reply, func(doc []byte) ([]byte, error) { return c.failure(resp, doc), nil })
}

// failure is an error of the upstream in the API's form.
func (c Carrier) failure(resp *http.Response, doc []byte) []byte {
	if c.Error == nil {
		return doc
	}
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	_ = json.Unmarshal(doc, &body) // what is no such document has a fault without words
	resp.Header.Set("Content-Type", "application/json; charset=utf-8")
	return c.Error(resp.StatusCode, faultOf(body.Error))
}
