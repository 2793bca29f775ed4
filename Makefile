# Two commands: `make run` and `make test`. Both install what the machine lacks.
export PATH := $(PATH):/usr/local/go/bin
export CGO_ENABLED := 0

.PHONY: run test chaos screenshots bench build generate lint setup compose clean

run: ## set up, build, start with a demo course
	@exec deploy/run

test: ## everything: unit, Postgres, Docker, browser
	@exec deploy/test

chaos: ## what takes minutes: machines that die, partitions, managers that restart, a rush and a class of 220
	@deploy/setup test
	go test -tags chaos -run '^TestChaos' -count=1 -timeout 20m ./spawner/container/swarmtest
	go test -tags chaos -run '^TestChaos' -count=1 -timeout 20m -v ./e2e

screenshots: ## docs/screenshots, made by the journey test
	@deploy/setup test
	mkdir -p docs/screenshots
	LECTERN_PICTURES=$(CURDIR)/docs/screenshots LECTERN_PICTURES_ONLY=1 go test ./e2e -run TestAnAssignment -count=1

bench: ## the figures of docs/performance.md, as a table
	@deploy/setup test
	go run ./bench

build: ## bin/lectern
	go build -trimpath -o bin/lectern ./cmd/lectern

generate: ## Go code of the pages
	go tool templ generate -log-level warn

lint: ## vet, gofmt, generated code
	@exec deploy/lint

setup: ## only what `run` and `test` install
	@deploy/setup test

compose: build ## Postgres, Lectern and proxy in containers
	@deploy/compose up -d

clean:
	rm -rf bin .cache
