package xmpptest

import (
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a server that a test starts, stops and starts again.
type process struct {
	dir, addr, log string
	more           []string // other addresses on which it listens
	command        func() *exec.Cmd

	mu  sync.Mutex
	cmd *exec.Cmd
}

func (p *process) write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start starts it and waits until it accepts connections.
func (p *process) Start(t testing.TB) {
	t.Helper()
	cmd := p.command()
	cmd.SysProcAttr = child()
	cmd.Stdout, cmd.Stderr = io.Discard, io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.cmd = cmd
	p.mu.Unlock()
	for _, addr := range append([]string{p.addr}, p.more...) {
		if !listens(addr) {
			t.Fatalf("%s does not listen on %s; its log:\n%s", cmd.Path, addr, p.Log())
		}
	}
}

// listens waits until somebody listens on an address, for half a minute.
func listens(addr string) bool {
	for range 1200 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return true
		}
		time.Sleep(25 * time.Millisecond)
	}
	return false
}

// Log returns what the server has logged.
func (p *process) Log() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Stop ends it as an administrator would: it closes its streams first.
func (p *process) Stop() { p.end(syscall.SIGTERM) }

// Kill ends it at once.
func (p *process) Kill() { p.end(syscall.SIGKILL) }

// Pause stops the process, so that nothing is answered, until Resume.
func (p *process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (p *process) Resume() { p.signal(syscall.SIGCONT) }

func (p *process) signal(s syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		syscall.Kill(-p.cmd.Process.Pid, s)
	}
}

func (p *process) end(s syscall.Signal) {
	p.signal(s)
	if s != syscall.SIGKILL {
		timer := time.AfterFunc(5*time.Second, func() { p.signal(syscall.SIGKILL) })
		defer timer.Stop()
	}
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	if cmd == nil {
		return
	}
	cmd.Wait()
	p.mu.Lock()
	if p.cmd == cmd {
		p.cmd = nil
	}
	p.mu.Unlock()
}
