package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/persist"
)

// keyName is that of the key file in the data folder, and keyCredential that of the
// systemd credential (systemd.exec(5), LoadCredential=).
const (
	keyName       = "key"
	keyCredential = "hub.key"
)

// keys are what secrets in the data folder are sealed with.
type keys struct {
	file    string // in use, whether it can be read or not
	list    []persist.Key
	made    bool   // the file was made just now
	problem string // what the person at the box should know of it, or ""
}

// findKeys reads the key file: the systemd credential if there is one, else the file
// that is named, else that in the data folder, which is made if make is set and there
// is none. A key in the data folder always opens too, so that a hub may be given a
// better place for its key later. A file that cannot be used is no error, but a problem:
// a hub comes up without its secrets.
func findKeys(data, named string, make bool) *keys {
	own := filepath.Join(data, keyName)
	k := &keys{file: own}
	if named != "" {
		k.file = named
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" && isFile(filepath.Join(dir, keyCredential)) {
		k.file = filepath.Join(dir, keyCredential)
	}
	err := k.read(k.file)
	if errors.Is(err, fs.ErrNotExist) && k.file == own && make {
		if err = writeKeys(own, persist.NewKey()+"\n"); err == nil || errors.Is(err, fs.ErrExist) {
			k.made = err == nil
			err = k.read(own)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.problem = fmt.Sprintf("The key file %s is missing: passwords of devices cannot be read or stored. Put it back and restart the hub.", k.file)
	case err != nil:
		k.problem = fmt.Sprintf("The key file %s cannot be used (%v): passwords of devices cannot be read or stored. Put it right and restart the hub.", k.file, err)
	case openToOthers(k.file):
		k.problem = fmt.Sprintf("The key file %s can be read by every user of this machine; run \"chmod o= %s\".", k.file, k.file)
	}
	if err == nil && k.file != own {
		k.read(own) // for what was sealed before; usually there is none
	}
	return k
}

func (k *keys) read(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	list, err := persist.ParseKeys(b)
	k.list = append(k.list, list...)
	return err
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func openToOthers(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o007 != 0
}

// writeKeys puts a key file in place, whole or not at all. It keeps owner and mode of
// the one before; a new one is for its owner only.
func writeKeys(file, text string) error {
	mode, uid, gid := fs.FileMode(0o600), -1, -1
	info, err := os.Stat(file)
	if err == nil {
		mode = info.Mode().Perm()
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(s.Uid), int(s.Gid)
		}
	}
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, ".key-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // when it was not renamed
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode))
	if uid >= 0 && os.Geteuid() == 0 {
		err = errors.Join(err, f.Chown(uid, gid))
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	put := os.Rename
	if info == nil {
		put = os.Link // fails when somebody else has made one meanwhile
	}
	if err := put(f.Name(), file); errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		err = os.Rename(f.Name(), file) // a file system without links
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// secrets are the keys with what they are for: the secret parameters of these types,
// and all of types that this program does not know.
func (k *keys) secrets(types []nodes.Type) *persist.Secrets {
	param := secretParams(types)
	with := make(map[string]bool)
	for i := range types {
		with[types[i].Name] = slices.ContainsFunc(types, func(t nodes.Type) bool {
			return slices.ContainsFunc(t.Params, func(p nodes.Param) bool { return param(types[i].Name, p.ID) })
		})
	}
	return &persist.Secrets{Keys: k.list, Param: param, Type: func(typ string) bool {
		may, known := with[typ]
		return may || !known
	}}
}

func secretParams(types []nodes.Type) func(typ, param string) bool {
	byName := make(map[string]*nodes.Type, len(types))
	for i := range types {
		byName[types[i].Name] = &types[i]
	}
	secret := make(map[[2]string]bool)
	for name := range byName {
		for t := byName[name]; t != nil; t = byName[t.Base] {
			for i := range t.Params {
				if t.Params[i].Secret {
					secret[[2]string{name, t.Params[i].ID}] = true
				}
			}
		}
	}
	builtin := []string{nodes.TypeNode, nodes.TypeRoot, nodes.TypeFolder}
	return func(typ, param string) bool {
		return secret[[2]string{typ, param}] ||
			byName[typ] == nil && !slices.Contains(builtin, typ) && !strings.HasPrefix(typ, "hub.")
	}
}

// opener opens devices, but for those with a secret that no key opens: what stands for
// it in memory must never be sent to a device.
type opener struct {
	set interface {
		Open(*nodes.Node, nodes.Host) (nodes.Device, error)
		Forget(string)
	}
	keys   *keys
	secret func(typ, param string) bool
}

// Open implements tree.Opener.
func (o opener) Open(n *nodes.Node, h nodes.Host) (nodes.Device, error) {
	var err error
	n.Walk(func(n *nodes.Node) bool {
		for id, v := range n.Params {
			if persist.Sealed(v) && o.secret(n.Type, id) {
				err = fmt.Errorf("the %s of %s cannot be read: the key in %s is not the one it was saved with; put that key back and restart the hub, or enter the %s again", id, n.ID, o.keys.file, id)
			}
		}
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	return o.set.Open(n, h)
}

// Forget implements tree.Opener.
func (o opener) Forget(id string) { o.set.Forget(id) }

// openKeys finds the keys of the daemon, and makes one for a hub that has none.
func openKeys(cfg *config.Config, log *slog.Logger) (*keys, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	k := findKeys(cfg.Data, cfg.KeyFile, true)
	switch {
	case k.problem != "":
		log.Error(k.problem)
	case k.made:
		log.Info("a key for passwords of devices was made; it is in no backup, so keep a copy of it elsewhere", "file", k.file)
	}
	return k, nil
}

// types are the types of a tree whose secrets these keys seal. Without a key they
// refuse secrets, so that whoever enters one is told why, and nobody else is disturbed.
func (k *keys) types(list []nodes.Type) []nodes.Type {
	if len(k.list) > 0 {
		return list
	}
	secret := secretParams(list)
	out := slices.Clone(list)
	for i := range out {
		name, check := out[i].Name, out[i].Check
		out[i].Check = func(p nodes.Params) map[string]string {
			wrong := make(map[string]string)
			if check != nil {
				maps.Copy(wrong, check(p))
			}
			for id, v := range p {
				if !v.IsZero() && !persist.Sealed(v) && secret(name, id) {
					wrong[id] = fmt.Sprintf("is a secret, and there is no key to store it with: %s cannot be used", k.file)
				}
			}
			return wrong
		}
	}
	return out
}
