package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// credential is how the owner reaches a running hub: the account of its local
// server. It is written when the hub is up and removed when it stops.
type credential struct {
	Address     string `json:"address"` // host:port of the local server
	JID         string `json:"jid"`     // the owner's account
	Password    string `json:"password"`
	Hub         string `json:"hub"`         // the hub's bare address
	Certificate string `json:"certificate"` // of the local server, PEM
	Fingerprint string `json:"fingerprint"` // of it, SHA-256
	PID         int    `json:"pid"`
}

// ownerFile is the name of the credential in a data folder.
const ownerFile = "owner.json"

// write puts the credential in place, for the owner's eyes only.
func (c *credential) write(path string) error {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

func readCredential(path string) (*credential, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var c credential
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("%s is no owner's credential: %w", path, err)
	}
	if c.Address == "" || c.JID == "" || c.Hub == "" {
		return nil, fmt.Errorf("%s is no owner's credential: address, jid or hub is missing", path)
	}
	return &c, nil
}

// demoFolder is where a running demo leaves its credential: a folder of the user's
// own.
func demoFolder() (string, error) {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "hub-"+strconv.Itoa(os.Getuid()))
	} else {
		dir = filepath.Join(dir, "hub")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || ok && int(s.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s must be a folder that only you can use; remove it, or set XDG_RUNTIME_DIR", dir)
	}
	return dir, nil
}

// credentials are the files where a hub may have left one, the likeliest first.
func (p *program) credentials() []string {
	if p.options.Hub != "" {
		return []string{p.options.Hub}
	}
	var out []string
	if dir, err := demoFolder(); err == nil {
		out = append(out, filepath.Join(dir, ownerFile))
	}
	return append(out, filepath.Join(p.options.Data, ownerFile))
}
