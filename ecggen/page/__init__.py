"""The page of ``ecggen serve``: see and touch what the package does, in a browser, offline.

``tabs`` holds a module for each tab; ``server`` puts them together. Every action is one call of the public API.
``jobs`` runs heavy calls one at a time, ``session`` holds the files of a visitor and deletes them, ``viewer`` shows an
ECG on paper with callipers. The framework is NiceGUI (extra ``page``), which brings its own JavaScript; only this
package imports it.
"""
