package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	Data        string `json:"data"`        // the hub's data folder
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
	if errors.Is(err, fs.ErrPermission) {
		return nil, errors.New("only the hub's own user may read it: run this command as that user or as root, with sudo for example")
	}
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

// demoFolders are the folders of the user's own in which a running demo may leave
// its credential, the best first. Two terminals need not agree on XDG_RUNTIME_DIR,
// and it may name a folder that is another user's or not there.
func demoFolders() []string {
	var out []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && isOwn(dir) {
		out = append(out, filepath.Join(dir, "hub"))
	}
	return append(out, filepath.Join(os.TempDir(), "hub-"+strconv.Itoa(os.Getuid())))
}

// demoFolder makes the first of the folders that can be made.
func demoFolder() (string, error) {
	var failed error
	for _, dir := range demoFolders() {
		err := os.Mkdir(dir, 0o700)
		switch {
		case err != nil && !errors.Is(err, fs.ErrExist):
		case isOwn(dir):
			return dir, nil
		default:
			err = fmt.Errorf("%s must be a folder that only you can use; remove it, or set XDG_RUNTIME_DIR", dir)
		}
		failed = errors.Join(failed, err)
	}
	return "", failed
}

// isOwn tells whether a folder, not a link to one, is this user's and nobody else
// may change or see what is in it.
func isOwn(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(s.Uid) == os.Getuid()
}

// credentials are the files where a hub may have left one, the likeliest first.
// Where one was named, no other will do.
func (o *options) credentials() []string {
	switch {
	case o.Hub != "":
		return []string{o.Hub}
	case o.Data != "":
		return []string{filepath.Join(o.Data, ownerFile)}
	}
	var out []string
	for _, dir := range demoFolders() {
		if isOwn(dir) {
			out = append(out, filepath.Join(dir, ownerFile))
		}
	}
	return append(out, filepath.Join(o.data(), ownerFile))
}

// alive tells whether the process that wrote the credential runs, as far as this
// one can see.
func (c *credential) alive() bool {
	return c.PID > 0 && !errors.Is(syscall.Kill(c.PID, 0), syscall.ESRCH)
}
