package responses

import (
	"container/list"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"sealcar/exchange"
	"sealcar/translate/dialect"
)

// References remembers what the model said, for a while and in memory alone, so
// that applications can refer to it by its id: some SDKs do so by default, since
// OpenAI stores every response (the Vercel AI SDK sends {"type":"item_reference"}
// unless it is told store: false). Only who got an item can refer to it: it is
// kept under the API key of the request.
//
// Its zero value remembers nothing. Close forgets everything.
type References struct {
	Items int           // at most; the longest unused goes first
	Bytes int64         // of their texts, names and arguments, at most
	For   time.Duration // after its last use an item is forgotten

	mu     sync.Mutex
	salt   []byte // keys are kept as hashes that say nothing without it
	byID   map[reference]*list.Element
	byUse  list.List // of *remembered, the last used first
	bytes  int64
	sweep  *time.Timer // pending while there is something to forget
	closed bool
}

type reference struct {
	owner [sha256.Size]byte
	id    string
}

// remembered is an item as a chat needs it.
type remembered struct {
	reference

	kind                   *kind
	text, callID, callName string
	used                   time.Time
}

// overhead is what an item costs beside its strings, in bytes.
const overhead = 256

func (i *remembered) size() int64 {
	return int64(len(i.id) + len(i.text) + len(i.callID) + len(i.callName) + overhead)
}

// ownership gives who makes a request: nobody else may refer to what it gets.
func (r *References) ownership(req *http.Request) owned {
	if r == nil || r.Items <= 0 {
		return owned{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.salt == nil {
		r.salt = []byte(rand.Text())
	}
	h := sha256.New()
	for _, part := range []string{string(r.salt), exchange.From(req.Context()).Client, req.Header.Get("Authorization")} {
		sum := sha256.Sum256([]byte(part)) // each of one length, so that none runs into the next
		_, _ = h.Write(sum[:])
	}
	return owned{references: r, owner: [sha256.Size]byte(h.Sum(nil))}
}

// owned are the items of one owner; the zero value remembers nothing.
type owned struct {
	references *References
	owner      [sha256.Size]byte
}

// remember keeps an item of a reply. What was thought is never asked for again.
func (o owned) remember(i *item) {
	if o.references != nil && i.kind != reasoning {
		o.references.put(&remembered{reference: reference{o.owner, i.id}, kind: i.kind, text: i.text.String(), callID: i.callID, callName: i.name})
	}
}

// find is the item with this id, nil if it is not known.
func (o owned) find(id string) *remembered {
	if o.references == nil {
		return nil
	}
	return o.references.get(reference{o.owner, id})
}

func (r *References) put(i *remembered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || i.size() > r.Bytes {
		return
	}
	if r.byID == nil {
		r.byID = map[reference]*list.Element{}
	}
	if e, ok := r.byID[i.reference]; ok {
		r.forget(e)
	}
	i.used = time.Now()
	r.byID[i.reference] = r.byUse.PushFront(i)
	r.bytes += i.size()
	for r.byUse.Len() > r.Items || r.bytes > r.Bytes {
		r.forget(r.byUse.Back())
	}
	r.schedule()
}

func (r *References) get(key reference) *remembered {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.byID[key]
	if !ok {
		return nil
	}
	i := e.Value.(*remembered)
	i.used = time.Now()
	r.byUse.MoveToFront(e)
	return i
}

func (r *References) forget(e *list.Element) {
	i := r.byUse.Remove(e).(*remembered)
	delete(r.byID, i.reference)
	r.bytes -= i.size()
}

// schedule has what is too old forgotten in time, also by a sidecar that nobody
// uses any more.
func (r *References) schedule() {
	if oldest := r.byUse.Back(); oldest != nil && r.sweep == nil {
		r.sweep = time.AfterFunc(time.Until(oldest.Value.(*remembered).used.Add(r.For)), r.forgetOld)
	}
}

func (r *References) forgetOld() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep = nil
	for e := r.byUse.Back(); e != nil && time.Since(e.Value.(*remembered).used) >= r.For; e = r.byUse.Back() {
		r.forget(e)
	}
	if !r.closed {
		r.schedule()
	}
}

// Close forgets everything; nothing is remembered after it.
func (r *References) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.sweep != nil {
		r.sweep.Stop()
	}
	r.byID = nil
	r.byUse.Init()
	r.bytes = 0
}

// say adds a remembered item to a conversation.
func (i *remembered) say(h *history) {
	if i.kind == call {
		h.called(dialect.ToolCall{ID: dialect.Encode(i.callID), Type: "function", Function: dialect.FunctionCall{
			Name: dialect.Encode(i.callName), Arguments: dialect.Encode(i.text),
		}})
		return
	}
	h.say("", "", "assistant", dialect.Content([]dialect.Part{dialect.TextPart(dialect.Encode(i.text))}))
}
