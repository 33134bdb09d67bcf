// Command app is an application that knows nothing of sealcar: it talks to a
// model as any program does, with the proxy and the roots that its environment
// names. The tests of test/kube run it in pods.
//
//	app chat TEXT          one chat; prints the reply
//	app stream TEXT        one streamed chat; prints "streaming" at its first
//	                       event and the reply at its end, SIGTERM or not
//	app loop SECONDS       one chat after the other, for so long; ends at the first
//	                       that fails, else prints their number
//	app serve ADDR         answers GET /?text=… with the reply to a chat
//	app exhaust ADDR       throws at the sidecar there what may use up its memory, then
//	                       sends one chat; prints what came of it
//	app kill NAME          SIGKILL to the processes of that name that it can see
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	signal.Ignore(syscall.SIGTERM) // it ends when its work is done
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: app chat|stream|loop|serve|exhaust|kill ARGUMENT")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verb, argument string) error {
	switch verb {
	case "chat":
		reply, err := chat(ctx, argument)
		fmt.Println("reply:", reply)
		return err
	case "stream":
		reply, err := stream(ctx, argument)
		fmt.Println("reply:", reply)
		return err
	case "loop":
		return loop(ctx, argument)
	case "serve":
		signal.Reset(syscall.SIGTERM)
		return serve(ctx, argument)
	case "exhaust":
		return exhaust(ctx, argument)
	case "kill":
		return kill(argument)
	default:
		return fmt.Errorf("no verb %q", verb)
	}
}

// ask posts a chat and gives the open reply.
func ask(ctx context.Context, text string, streamed bool) (io.ReadCloser, error) {
	body, err := json.Marshal(map[string]any{
		"model": "ep-kube", "stream": streamed,
		"messages": []map[string]string{{"role": "user", "content": text}},
	})
	if err != nil {
		return nil, err
	}
	base := cmp.Or(os.Getenv("OPENAI_BASE_URL"), "https://ark.cn-beijing.volces.com/api/v3")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+os.Getenv("OPENAI_API_KEY"))
	if name, value, ok := strings.Cut(os.Getenv("HEADER"), ": "); ok { // as SDKs' default_headers
		req.Header.Set(name, value)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // the status is the error
		return nil, fmt.Errorf("%s: %s", resp.Status, text)
	}
	return resp.Body, nil
}

type completion struct {
	Choices []struct {
		Message, Delta struct{ Content string }
	}
}

func chat(ctx context.Context, text string) (string, error) {
	body, err := ask(ctx, text, false)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	var c completion
	if err := json.NewDecoder(body).Decode(&c); err != nil {
		return "", err
	}
	if len(c.Choices) != 1 {
		return "", fmt.Errorf("%d choices", len(c.Choices))
	}
	return c.Choices[0].Message.Content, nil
}

func stream(ctx context.Context, text string) (string, error) {
	body, err := ask(ctx, text, true)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	var reply strings.Builder
	lines := bufio.NewScanner(body)
	for first := true; lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if first {
			fmt.Println("streaming")
			first = false
		}
		if data == "[DONE]" {
			return reply.String(), nil
		}
		var c completion
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			return reply.String(), err
		}
		for _, choice := range c.Choices {
			reply.WriteString(choice.Delta.Content)
		}
	}
	return reply.String(), cmp.Or(lines.Err(), errors.New("the stream ended before [DONE]"))
}

func loop(ctx context.Context, seconds string) error {
	d, err := time.ParseDuration(seconds + "s")
	if err != nil {
		return err
	}
	chats := 0
	for end := time.Now().Add(d); time.Now().Before(end); chats++ {
		if _, err := chat(ctx, "again"); err != nil {
			return fmt.Errorf("chat %d: %w", chats, err)
		}
	}
	fmt.Println("reply: chats without a failure:", chats)
	return nil
}

func serve(ctx context.Context, addr string) error {
	reply, err := chat(ctx, "first")
	fmt.Println("first:", reply, err) // what the application sees at its start
	server := &http.Server{Addr: addr, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, err := chat(r.Context(), r.FormValue("text"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, reply+"\n")
	})}
	return server.ListenAndServe()
}

func kill(name string) error {
	found, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	killed := 0
	for _, file := range found {
		comm, err := os.ReadFile(file)
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return err
		}
		killed++
	}
	if killed == 0 {
		return fmt.Errorf("no process is named %q", name)
	}
	return nil
}
