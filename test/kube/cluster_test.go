package kube_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long anything in the cluster may take.
const patience = 90 * time.Second

// release is the name of the release, and namespace where it and most pods are.
const (
	release   = "sealcar"
	namespace = "sealcar-test"
)

// cluster is spoken to with kubectl and helm, as a user does.
type cluster struct {
	t                  *testing.T
	prefix             []string // a command that runs others where the cluster can be reached
	flags              []string // further ones for helm install
	image, app, python string
}

// newCluster skips the test where there is none.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv("TEST_KUBE") == "" {
		t.Skip("TEST_KUBE is not set; make test-kube runs this in a cluster")
	}
	return &cluster{
		t:      t,
		prefix: strings.Fields(os.Getenv("KUBE_RUN")),
		flags:  strings.Fields(os.Getenv("HELM_FLAGS")),
		image:  os.Getenv("IMAGE"), app: os.Getenv("APP_IMAGE"), python: os.Getenv("PYTHON_IMAGE"),
	}
}

// with is the same cluster for a subtest.
func (c cluster) with(t *testing.T) *cluster {
	c.t = t
	return &c
}

// try runs a command at the top of the source tree and gives what it printed.
func (c *cluster) try(stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*patience)
	defer cancel()
	args = append(append([]string{}, c.prefix...), args...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, &stdout, &stderr)
	}
	return stdout.String(), nil
}

func (c *cluster) run(args ...string) string {
	c.t.Helper()
	out, err := c.try("", args...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// kubectl runs in the namespace of the tests.
func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	return c.run(append([]string{"kubectl", "-n", namespace}, args...)...)
}

// apply applies a manifest, in which IMAGE and APP stand for the images.
func (c *cluster) apply(manifest string) {
	c.t.Helper()
	if _, err := c.tryApply(manifest); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) tryApply(manifest string, flags ...string) (string, error) {
	manifest = strings.NewReplacer("IMAGE", c.image, "APP", c.app).Replace(manifest)
	return c.try(manifest, append([]string{"kubectl", "-n", namespace, "apply", "-f", "-"}, flags...)...)
}

// eventually waits until a command prints what is wanted.
func (c *cluster) eventually(want string, args ...string) string {
	c.t.Helper()
	var out string
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if out, err = c.try("", args...); strings.Contains(out, want) {
			return out
		}
	}
	c.t.Fatalf("%s: no %q in %q, %v", strings.Join(args, " "), want, out, err)
	return ""
}

// logs waits for what a container prints.
func (c *cluster) logs(want, pod, container string) string {
	c.t.Helper()
	return c.eventually(want, "kubectl", "-n", namespace, "logs", pod, "-c", container)
}

// removed deletes objects at the end of the test.
func (c *cluster) removed(objects ...string) {
	c.t.Cleanup(func() {
		args := append([]string{"kubectl", "-n", namespace, "delete", "--ignore-not-found", "--wait=true", "--grace-period=1"}, objects...)
		end := &cluster{t: c.t, prefix: c.prefix}
		if _, err := end.tryWithout(args...); err != nil {
			c.t.Error(err)
		}
	})
}

// tryWithout is try for a cleanup, when the test's context has ended.
func (c *cluster) tryWithout(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args = append(append([]string{}, c.prefix...), args...)
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return "", errors.Join(fmt.Errorf("%s: %s", strings.Join(args, " "), out), err)
	}
	return string(out), nil
}
