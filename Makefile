# make           build ./wsrun (needs Go and Node)
# make check     vet, and run the tests that need neither a browser nor much time
# make test      run every test; installs the Debian packages that they need
# make fuzz      look for inputs that break a parser, FUZZTIME for each target
# make oracle    compare late viewers with early ones in real programs, and random starts with sed; takes long
# make scroll    open, scroll and select in many pages, and print how far they moved; takes long
# make chaos     break things around a running wsrun, and measure what its clients cost; takes long
# make security  run the tests that prove a promise, and renew docs/promises.md
# make mutants   plant bugs, one at a time, and check that a test finds each
# make bench     measure
# make bench-compare BASE=REV
#                compare the small benchmarks with another revision's
# make bench-pairs BASE=REV
#                compare the CPU of the fan-out with another revision's, in pairs
# make deps      install the Debian packages that the tests need

VERSION := $(shell git describe --always --dirty --tags 2>/dev/null || echo devel)
export CHROMIUM ?= $(shell for b in chromium chromium-browser google-chrome; do command -v $$b && break; done)

# Tests, fuzz targets and benchmarks are found by searching all folders: from a list kept by
# hand, one that moves would vanish silently.
FILES := git ls-files --cached --others --exclude-standard
GREP := git grep --untracked -E

# For example, FUZZ="cli:FuzzValues" runs one.
FUZZ = $(shell $(GREP) -o '^func Fuzz[A-Za-z0-9_]*' -- '*_test.go' | sed -E 's|^([^/]*:)|./\1|; s|/[^/]*:func |:|')
FUZZTIME ?= 10s

STATICCHECK := go tool -modfile=tools/go.mod staticcheck

.PHONY: all wsrun lint check test fuzz oracle scroll chaos security mutants bench bench-compare bench-pairs deps clean

all: wsrun

wsrun: static/xterm/xterm.mjs
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $@ .

.DELETE_ON_ERROR:

static/node_modules/.installed: static/package-lock.json static/package.json
	cd static && npm ci --no-audit --no-fund
	touch $@

static/xterm/xterm.mjs: static/node_modules/.installed
	cd static && npm run --silent embed
	touch $@

# Files for other systems are not compiled here, so vet runs for each system.
lint: static/xterm/xterm.mjs
	@unformatted=$$($(FILES) '*.go' | xargs gofmt -l); if [ -n "$$unformatted" ]; then echo "gofmt: $$unformatted"; exit 1; fi
	@for os in linux darwin freebsd openbsd windows; do echo "go vet, $$os"; GOOS=$$os go vet ./... || exit 1; done
	go -C tools vet ./...
	$(STATICCHECK) ./...
	cd static && npm run --silent check

# The whole takes at most 90 seconds on two processors.
check: lint
	go test -short $$(go list ./... | grep -v /test/faults)
	go -C tools test ./...

# Under the race detector, TestRefusedRequestsAreCheap sends fewer requests.
test: wsrun deps lint
	go test -race $$(go list ./... | grep -v /test/faults)
	go test ./test/faults
	go test -run "^TestRefusedRequestsAreCheap$$" ./server
	go -C tools test ./...
	cd static && WSRUN=$(CURDIR)/wsrun node --test --test-force-exit --test-concurrency=3 $$($(FILES) 'test/*.test.js')
	$(MAKE) fuzz FUZZTIME=3s

# Interesting inputs are not minimized, which could take all of the time. On a busy machine,
# go test may report its own deadline as a failure (golang/go#75804, fixed in Go 1.27). A real
# failure has its input written to testdata.
fuzz:
	@test -n "$(FUZZ)"
	@for f in $(FUZZ); do \
		echo "$$f"; \
		said=$$(go test -run '^$$' -fuzz "^$${f#*:}$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$${f%:*} 2>&1) && continue; \
		case $$said in *"Failing input"*) ;; *"context deadline exceeded"*) continue;; esac; \
		echo "$$said"; exit 1; \
	done

oracle: wsrun deps
	cd static && WSRUN=$(CURDIR)/wsrun WSRUN_ORACLE=full node --test --test-force-exit test/screen.test.js
	WSRUN_STARTS=10000 go test -v -timeout 30m -run "^TestStarts$$" ./server

scroll: wsrun deps
	cd static && WSRUN=$(CURDIR)/wsrun WSRUN_SCROLL=full node --test --test-force-exit test/scroll.test.js test/selection.test.js

chaos: static/node_modules/.installed deps
	go test -v -timeout 60m ./test/faults -long
	WSRUN_COST=full go test -v -timeout 90m -run '^TestCost' ./server

# These tests are marked by an attribute: see tools/promises.
security: wsrun deps
	@files=$$($(GREP) -l 'Attr\("promise"' -- '*_test.go' ':!test/faults'); \
	tests=$$(awk -F'[ (]' '/^func / { name = $$2 } /Attr\("promise"/ { print name }' $$files | sort -u | paste -sd'|'); \
	case "|$$tests" in *"|"[!T]*) echo "a promise outside a test: $$tests"; exit 1;; esac; \
	{ go test -json -count=1 -p 1 -timeout 30m -run "^($$tests)$$" $$(dirname $$files | sort -u | sed 's|^|./|'); \
	go test -json -count=1 -timeout 30m ./test/faults; \
	cd static && WSRUN=$(CURDIR)/wsrun node --test --test-force-exit --test-reporter=tap $$($(GREP) -l 'promise: ' -- 'test/*.test.js'); } | \
	go -C tools run ./promises -w $(CURDIR)/docs/promises.md

mutants: wsrun deps
	go -C tools run ./mutants

# Packages with small benchmarks, in the current folder.
SMALL := $(GREP) -l '^func Benchmark' -- '*_test.go' ':!bench' ':!filetail' | xargs -n1 dirname | sort -u | sed 's|^|./|'

# Runs in bench/ and filetail/ are long, so each is repeated a fixed number of times. FANOUT
# holds flags of bench/fanout, for example "-rows 1,2 -runs 3".
LONG := 'BigFile|Appended|ManyFiles'
FANOUT ?= -json bench/out/fanout.json
bench: wsrun deps
	mkdir -p bench/out
	go test -run '^$$' -bench . $$($(SMALL))
	go test -run '^$$' -bench . -benchtime 1x ./filetail
	go test -run '^$$' -bench . -skip $(LONG) -benchtime 3x -timeout 20m ./bench
	go test -run '^$$' -bench $(LONG) -benchtime 1x -timeout 20m ./bench
	cd static && WSRUN=$(CURDIR)/wsrun node bench/page.mjs
	go build -o bench/bin/ ./bench/fanout ./bench/rawfan
	bench/bin/fanout $(FANOUT)

# The two revisions take turns, so that other load on the machine affects both. Flood and
# FullScreen are too noisy for this. A benchmark may have moved to another package.
BASE ?= HEAD~1
COMPARE = go test -run '^$$' -bench . -skip 'Flood|FullScreen' -benchtime 0.2s $$($(SMALL))
bench-compare: static/xterm/xterm.mjs
	rm -rf bench/out/base && mkdir -p bench/out && git worktree prune && git worktree add -f --detach bench/out/base $(BASE)
	cp static/xterm/* bench/out/base/static/xterm/
	cd bench/out && rm -f old.txt new.txt && for i in 1 2 3 4 5 6; do \
		(cd base && $(COMPARE)) >>old.txt && (cd ../.. && $(COMPARE)) >>new.txt || exit 1; \
	done
	git worktree remove --force bench/out/base
	go tool -modfile=tools/go.mod benchstat -ignore pkg bench/out/old.txt bench/out/new.txt

# The CPU time of rows 1 and 2 of the fan-out and of another revision's, in alternating pairs.
PAIRS ?= 15
bench-pairs: wsrun
	rm -rf bench/out/base && mkdir -p bench/out && git worktree prune && git worktree add -f --detach bench/out/base $(BASE)
	cp static/xterm/* bench/out/base/static/xterm/
	cd bench/out/base && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o ../wsrun-base .
	git worktree remove --force bench/out/base
	go build -o bench/bin/ ./bench/fanout ./bench/rawfan
	bench/bin/fanout -base bench/out/wsrun-base -rows 1,2 -pairs $(PAIRS)

# What tests need beyond Go and Node: Debian packages, each with one of its commands. Debian
# would start nginx and caddy.
PROGRAMS := nginx-light:nginx caddy:caddy strace:strace iproute2:ip \
	python3:python3 vim:vim less:less htop:htop procps:watch tmux:tmux nano:nano mc:mc man-db:man git:git websocketd:websocketd
POLICY := /usr/sbin/policy-rc.d
deps:
	@missing=; test -x "$(CHROMIUM)" || missing=chromium; command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	for p in $(PROGRAMS); do command -v $${p#*:} >/dev/null || missing="$$missing $${p%:*}"; done; \
	for m in websockets websocket aiohttp; do /usr/bin/python3 -c "import $$m" 2>/dev/null || missing="$$missing python3-$$m"; done; \
	test -z "$$missing" || { \
		test -e $(POLICY) || { printf '#!/bin/sh\nexit 101\n' >$(POLICY) && chmod 755 $(POLICY) && trap 'rm -f $(POLICY)' EXIT; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; }

clean:
	rm -rf wsrun bench/bin bench/out static/node_modules static/xterm/*.mjs static/xterm/*.css static/xterm/LICENSE
