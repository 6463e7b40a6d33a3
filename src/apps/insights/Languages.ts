/**
 * The language of a file by its path alone: its whole name first, then the longest known extension.
 *
 * Programs and markup only; prose, data and pictures have none. Where an extension belongs to several languages the most
 * usual one is taken. Vendored and generated files have none either.
 */

/** The language of the file at `path`, with `/` between its parts; undefined when it counts for none. */
export const ofPath = (path: string): string | undefined => {
  if (ignored.test(path)) return undefined
  const file = path.slice(path.lastIndexOf("/") + 1)
  const named = names.get(file)
  if (named !== undefined) return named
  const lower = file.toLowerCase()
  for (let dot = lower.indexOf("."); dot !== -1; dot = lower.indexOf(".", dot + 1)) {
    const language = extensions.get(lower.slice(dot + 1))
    if (language !== undefined) return language
  }
  return undefined
}

const ignored = new RegExp(
  "(^|/)(node_modules|bower_components|vendor|third_party|dist|Pods|\\.yarn)/" +
    "|\\.min\\.(js|css)$|[.-]bundle\\.js$|\\.d\\.ts\\.map$|\\.(pb|generated|g)\\.[A-Za-z]+$|_pb2(_grpc)?\\.py$"
)

const table = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.trim().split("\n").flatMap((line) => {
      const [language = "", words = ""] = line.split(":")
      return words.trim().split(/\s+/).map((word) => [word, language.trim()] as const)
    })
  )

const names = table(`
  CMake: CMakeLists.txt
  Dockerfile: Dockerfile Containerfile
  Just: justfile Justfile
  Makefile: Makefile makefile GNUmakefile
  Meson: meson.build
  Ruby: Gemfile Rakefile Podfile Vagrantfile Fastfile
  Shell: .bashrc .bash_profile .profile .zshrc
  Starlark: BUILD BUILD.bazel WORKSPACE Tiltfile
  Vim Script: .vimrc
`)

const extensions = table(`
  ActionScript: as
  Ada: adb ads ada
  Agda: agda
  AppleScript: applescript
  Assembly: asm s
  Astro: astro
  AutoHotkey: ahk
  Awk: awk
  Ballerina: bal
  Batchfile: bat cmd
  Bicep: bicep
  Blade: blade.php
  C: c h
  C#: cs csx
  C++: cc cpp cxx c++ hh hpp hxx h++ ipp tpp
  CMake: cmake
  COBOL: cob cbl cpy
  CSS: css
  Clojure: clj cljs cljc
  CoffeeScript: coffee
  Common Lisp: lisp
  Crystal: cr
  Cuda: cu cuh
  Cython: pyx pxd
  D: d
  Dart: dart
  Dockerfile: dockerfile
  EJS: ejs
  Elixir: ex exs
  Elm: elm
  Emacs Lisp: el
  Erlang: erl hrl
  F#: fs fsi fsx
  Fortran: f f90 f95 f03 f08 for
  GDScript: gd
  GLSL: glsl vert frag geom
  Gleam: gleam
  Go: go
  Groovy: groovy gradle
  HCL: tf tfvars hcl
  HTML: html htm xhtml
  Hack: hack hhi
  Handlebars: hbs handlebars
  Haskell: hs lhs
  Haxe: hx
  Idris: idr
  Java: java
  JavaScript: js mjs cjs jsx
  Jinja: jinja jinja2 j2
  Julia: jl
  Jupyter Notebook: ipynb
  Kotlin: kt kts
  LLVM: ll
  Lean: lean
  Less: less
  Liquid: liquid
  Lua: lua
  MATLAB: matlab
  MDX: mdx
  Makefile: mk mak
  Metal: metal
  Meson: meson
  Mojo: mojo
  Mustache: mustache
  Nim: nim nims
  Nix: nix
  Nunjucks: njk
  OCaml: ml mli
  Objective-C: m
  Objective-C++: mm
  Odin: odin
  PHP: php phtml
  PLSQL: pls plsql pks pkb
  PLpgSQL: pgsql
  Pascal: pas dpr
  Perl: pl pm perl
  PowerShell: ps1 psm1 psd1
  Prolog: prolog
  Pug: pug jade
  Puppet: pp
  PureScript: purs
  Python: py pyi pyw
  QML: qml
  R: r
  Racket: rkt
  ReScript: res resi
  Razor: cshtml razor
  Ruby: rb rake gemspec
  Rust: rs
  SCSS: scss
  Sass: sass
  Scala: scala sc sbt
  Scheme: scm ss
  Shell: sh bash zsh fish ksh
  Smalltalk: st
  Solidity: sol
  SQL: sql
  Standard ML: sml
  Starlark: bzl star
  Stylus: styl
  Svelte: svelte
  Swift: swift
  SystemVerilog: sv svh
  Tcl: tcl
  TeX: tex sty ltx
  Thrift: thrift
  TypeScript: ts mts cts tsx
  Typst: typ
  VHDL: vhd vhdl
  Vala: vala
  Verilog: v
  Vim Script: vim
  Visual Basic: vb vbs
  Vue: vue
  WGSL: wgsl
  WebAssembly: wat wast
  XSLT: xsl xslt
  Zig: zig
`)
