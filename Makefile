# make demo     run everything in one process, nothing to set up
# make build    the binary, bin/hub
# make test     all tests with the race detector, real servers included
# make test-gpio  the GPIO adapter below a kernel with simulated chips (User Mode Linux)
# make lint     formatting, vet, staticcheck
# make cross    the binary for arm64 and arm, and for those who develop on a Mac
# make bench    the tables of docs/benchmarks.md
# make chaos    servers and network that fail again and again: the figures of docs/chaos.md
# make fuzz     every decoder for a minute each
# make install  the daemon and its systemd unit, as root

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X github.com/fieldhub/hub/cmd/hub/app.Version=$(VERSION)
FUZZTIME ?= 2s
FUZZ     ?= 1m
PREFIX   ?= /usr
DESTDIR  ?=
# SCHEMAS names the folder of the published XML schemas; every payload that the
# tests send and receive is checked against them.
SCHEMAS  ?=
# TESTFLAGS are more flags for go test, such as -count=1.
TESTFLAGS ?=

export CGO_ENABLED = 0

.PHONY: demo build test test-gpio lint cross bench chaos fuzz install clean

# Not go run, which ends with status 1 after Ctrl-C whatever the program says.
demo: build
	bin/hub demo

build:
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/hub ./cmd/hub

# The race detector needs cgo. Tests come last: their summary ends the output.
test: export CGO_ENABLED = 1
test: export HUB_SCHEMAS = $(if $(SCHEMAS),$(abspath $(SCHEMAS)))
test:
	scripts/needs
	scripts/fuzz $(FUZZTIME)
	go test -race -timeout 10m $(TESTFLAGS) ./...

# Builds the kernel the first time: some minutes, and packages that need root.
test-gpio:
	scripts/gpio-uml

lint:
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt -w is needed for:"; echo "$$out"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

cross:
	GOOS=linux GOARCH=arm64 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/hub-linux-arm64 ./cmd/hub
	GOOS=linux GOARCH=arm GOARM=7 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/hub-linux-armv7 ./cmd/hub
	GOOS=darwin GOARCH=arm64 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/hub-darwin-arm64 ./cmd/hub

bench:
	scripts/needs
	scripts/bench

chaos:
	scripts/needs
	scripts/chaos

fuzz:
	scripts/fuzz $(FUZZ)

install: build
	install -D -m 755 bin/hub $(DESTDIR)$(PREFIX)/bin/hub
	install -D -m 644 packaging/hub.service $(DESTDIR)/lib/systemd/system/hub.service
	sed -i 's#^ExecStart=/usr/bin/#ExecStart=$(PREFIX)/bin/#' $(DESTDIR)/lib/systemd/system/hub.service
	[ -e $(DESTDIR)/etc/hub/hub.yaml ] || install -D -m 640 packaging/hub.yaml $(DESTDIR)/etc/hub/hub.yaml
	@[ -n "$(DESTDIR)" ] || packaging/user

clean:
	rm -rf bin
